//! What one image costs: multiplications of the convolutions and of the linear layers.

use crate::gpt::GptConfig;
use crate::layers::Stem;
use crate::plain::PlainConfig;
use crate::resnet::{BlockKind, ResNetConfig};
use crate::spec::{InputShape, NetworkSpec};

impl NetworkSpec {
    /// Multiply-add pairs of one image's forward pass, convolutions and linear layers (normalisation,
    /// activations, gates' products and pooling not counted); 0 for a network that reads tokens
    /// ([`GptConfig::multiply_adds`]). A training step takes about three times as many: forward, input
    /// gradients and weight gradients.
    ///
    /// ```
    /// use ss_models::{InputShape, NetworkSpec};
    /// let image = InputShape { channels: 3, height: 32, width: 32 };
    /// let six_conv: NetworkSpec = "six-conv".parse()?;
    /// assert_eq!(six_conv.multiply_adds(image, 10), 38_634_752);
    /// # Ok::<(), ss_models::Error>(())
    /// ```
    pub fn multiply_adds(&self, input: InputShape, classes: usize) -> u64 {
        let count = Counter::of_trunk(self, input);
        match self {
            Self::Gpt(_) => 0,
            Self::Embedding(config) => {
                let features = config.features(count.inputs, count.height * count.width);
                count.total + (features * config.dim) as u64 + (config.dim * classes) as u64
            }
            _ => count.total + (count.inputs * classes) as u64,
        }
    }

    /// Pixels of each of the trunk's feature maps.
    pub(crate) fn map_pixels(&self, input: InputShape) -> usize {
        let count = Counter::of_trunk(self, input);
        count.height * count.width
    }
}

impl GptConfig {
    /// Multiply-add pairs of one window's forward pass: linear layers, attention (all pairs of places, though half are
    /// masked) and classifier.
    ///
    /// ```
    /// use ss_models::gpt::GptConfig;
    /// let config = GptConfig { layers: 1, width: 8, heads: 2 };
    /// // Four tokens: 12 width^2 each in the block, 2 width a pair of places, and 10 classes of 8 numbers.
    /// assert_eq!(config.multiply_adds(4, 10), 4 * 12 * 64 + 2 * 4 * 4 * 8 + 4 * 8 * 10);
    /// ```
    pub fn multiply_adds(&self, context: usize, vocabulary: usize) -> u64 {
        let Self { layers, width, .. } = *self;
        let token = layers * (12 * width * width + 2 * context * width) + width * vocabulary;
        (context * token) as u64
    }
}

struct Counter {
    inputs: usize,
    height: usize,
    width: usize,
    total: u64,
}

impl Counter {
    fn of_trunk(network: &NetworkSpec, input: InputShape) -> Self {
        let mut count = Self { inputs: input.channels, height: input.height, width: input.width, total: 0 };
        count.trunk(network);
        count
    }

    fn trunk(&mut self, network: &NetworkSpec) {
        match network {
            NetworkSpec::SixConv => {
                for (outputs, stride) in PlainConfig::six_conv().layers {
                    self.conv(outputs, 3, stride, 1);
                }
            }
            NetworkSpec::ResNet(config) => self.resnet(config),
            NetworkSpec::MobileNetV2(config) => {
                self.conv(config.stem_width(), 3, config.stem_stride(), 1);
                for block in config.blocks() {
                    if block.inner != block.inputs {
                        self.conv(block.inner, 1, 1, 1);
                    }
                    self.conv(block.inner, 3, block.stride, block.inner);
                    self.conv(block.outputs, 1, 1, 1);
                }
                self.conv(config.outputs(), 1, 1, 1);
            }
            NetworkSpec::WideResNet(config) => {
                self.conv(16, 3, 1, 1);
                for stage in 0..3 {
                    for block in 0..(config.depth - 4) / 6 {
                        let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                        let outputs = (16 << stage) * config.width;
                        self.shortcut(outputs, stride);
                        self.conv(outputs, 3, stride, 1);
                        self.conv(outputs, 3, 1, 1);
                    }
                }
            }
            NetworkSpec::Embedding(config) => self.trunk(&config.trunk),
            NetworkSpec::Gpt(_) => {}
        }
    }

    fn resnet(&mut self, config: &ResNetConfig) {
        match config.stem() {
            Stem::Small => self.conv(config.stem_width(), 3, 1, 1),
            Stem::ImageNet => {
                self.conv(config.stem_width(), 7, 2, 1);
                self.reduce(2);
            }
        }
        for block in config.blocks() {
            self.shortcut(block.outputs, block.stride);
            match block.kind {
                BlockKind::Basic => {
                    self.conv(block.outputs, 3, block.stride, 1);
                    self.conv(block.outputs, 3, 1, 1);
                }
                BlockKind::Bottleneck { inner, groups, squeezed } => {
                    self.conv(inner, 1, 1, 1);
                    self.conv(inner, 3, block.stride, groups);
                    self.conv(block.outputs, 1, 1, 1);
                    self.total += (2 * block.outputs * squeezed.unwrap_or(0)) as u64;
                }
            }
        }
    }

    fn conv(&mut self, outputs: usize, kernel: usize, stride: usize, groups: usize) {
        self.reduce(stride);
        self.total += (self.inputs / groups * outputs * kernel * kernel * self.height * self.width) as u64;
        self.inputs = outputs;
    }

    /// The 1x1 shortcut of the block that begins here, where the shape changes.
    fn shortcut(&mut self, outputs: usize, stride: usize) {
        if stride != 1 || self.inputs != outputs {
            let pixels = self.height.div_ceil(stride) * self.width.div_ceil(stride);
            self.total += (self.inputs * outputs * pixels) as u64;
        }
    }

    fn reduce(&mut self, stride: usize) {
        (self.height, self.width) = (self.height.div_ceil(stride), self.width.div_ceil(stride));
    }
}
