//! What one image costs: multiplications of the convolutions and of the classifier.

use crate::spec::{InputShape, NetworkSpec};

impl NetworkSpec {
    /// Multiply-add pairs of one image's forward pass, convolutions and classifier (normalisation,
    /// activations and pooling not counted); 0 for a network that reads tokens
    /// ([`GptConfig::multiply_adds`](crate::gpt::GptConfig::multiply_adds)). A training step takes about three times as
    /// many: forward, input gradients and weight gradients.
    ///
    /// ```
    /// use ss_models::{InputShape, NetworkSpec};
    /// let image = InputShape { channels: 3, height: 32, width: 32 };
    /// let six_conv: NetworkSpec = "six-conv".parse()?;
    /// assert_eq!(six_conv.multiply_adds(image, 10), 38_634_752);
    /// # Ok::<(), ss_models::Error>(())
    /// ```
    pub fn multiply_adds(&self, input: InputShape, classes: usize) -> u64 {
        let mut count =
            Counter { inputs: input.channels, height: input.height, width: input.width, total: 0 };
        match self {
            Self::Gpt(_) => return 0,
            Self::SixConv => {
                for (outputs, stride) in crate::plain::PlainConfig::six_conv().layers {
                    count.conv(outputs, 3, stride);
                }
            }
            Self::ResNet(config) => {
                count.conv(config.widths[0], 3, 1);
                for (stage, (&blocks, &width)) in config.blocks.iter().zip(&config.widths).enumerate() {
                    for block in 0..blocks {
                        count.block(width, if stage > 0 && block == 0 { 2 } else { 1 });
                    }
                }
            }
            Self::WideResNet(config) => {
                count.conv(16, 3, 1);
                for stage in 0..3 {
                    for block in 0..(config.depth - 4) / 6 {
                        count
                            .block((16 << stage) * config.width, if stage > 0 && block == 0 { 2 } else { 1 });
                    }
                }
            }
        }
        count.total + (count.inputs * classes) as u64
    }
}

struct Counter {
    inputs: usize,
    height: usize,
    width: usize,
    total: u64,
}

impl Counter {
    fn conv(&mut self, outputs: usize, kernel: usize, stride: usize) {
        (self.height, self.width) = (self.height.div_ceil(stride), self.width.div_ceil(stride));
        self.total += (self.inputs * outputs * kernel * kernel * self.height * self.width) as u64;
        self.inputs = outputs;
    }

    /// Two 3x3 convolutions, and a 1x1 shortcut where the shape changes.
    fn block(&mut self, outputs: usize, stride: usize) {
        let inputs = self.inputs;
        self.conv(outputs, 3, stride);
        if stride != 1 || inputs != outputs {
            self.total += (inputs * outputs * self.height * self.width) as u64;
        }
        self.conv(outputs, 3, 1);
    }
}
