//! A network by name or by its numbers.

use std::fmt;
use std::str::FromStr;

use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use ss_kernels::Backend;

use crate::embedding::{Embedding, EmbeddingConfig, MapsAs};
use crate::gpt::{Gpt, GptConfig};
use crate::layers::Head;
use crate::mobilenet_v2::{MobileNetV2, MobileNetV2Config};
use crate::parameters::Parameters;
use crate::plain::{Plain, PlainConfig};
use crate::resnet::{ResNet, ResNetConfig};
use crate::trunk::{Classifier, Trunk};
use crate::wide_resnet::{WideResNet, WideResNetConfig};
use crate::{Error, Network, Result};

/// Channels and size of the images that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputShape {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

/// Which network to build. Parses from a name and prints as it.
///
/// | name | network |
/// |---|---|
/// | `resnet8`, `resnet20` | three stages of basic blocks, for small images |
/// | `resnet18`, `resnet34` | four stages of basic blocks |
/// | `resnet50`, `resnet101` | four stages of bottlenecks |
/// | `seresnext50-32x4d` | SE-ResNeXt-50 of 32 groups, 4 channels a group in the first stage |
/// | `mobilenet-v2`, `mobilenet-v2-0.25` | MobileNetV2, of a quarter of its channels |
/// | `wrn-16-4` | wide residual network of depth 16 and width 4 |
/// | `six-conv` | the plain stack of the training benchmark |
/// | `gpt-2-128-4` | decoder-only transformer of 2 layers, 128 wide, 4 heads; reads tokens |
///
/// All others are for images of about 32x32 pixels; names of the first five rows that end in `-imagenet` have the stem (and the strides)
/// for images of ImageNet's size. Residual networks take the channels of each stage, as in `resnet8-8-16-32`,
/// `resnet50-16-32-64-128-imagenet` and `seresnext50-4x16d-16-32-64-128`: narrow ones train on a CPU. Any network for images but one
/// with an embedding takes one: `resnet50+embedding-512`, `resnet18+embedding-128-s64` (dimension, scale of the cosines),
/// `resnet8+embedding-64-pixels` (of every pixel of the maps and not of their means: for aligned images).
///
/// ```
/// use ss_models::NetworkSpec;
/// let spec: NetworkSpec = "resnet50-imagenet".parse()?;
/// assert_eq!(spec.to_string(), "resnet50-imagenet");
/// # Ok::<(), ss_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NetworkSpec {
    /// Residual network: `resnetDEPTH[-WIDTHS][-imagenet]`, `seresnext50-GROUPSxWIDTHd[-WIDTHS][-imagenet]`.
    ResNet(ResNetConfig),
    /// MobileNetV2: `mobilenet-v2[-MULTIPLIER][-imagenet]`.
    MobileNetV2(MobileNetV2Config),
    /// Wide residual network: `wrn-DEPTH-WIDTH`.
    WideResNet(WideResNetConfig),
    /// The plain stack `six-conv`.
    SixConv,
    /// A network with an embedding in place of its classifier: `NETWORK+embedding-DIM[-pixels][-sSCALE]`.
    Embedding(EmbeddingConfig),
    /// A decoder-only transformer, which reads tokens and not images.
    Gpt(GptConfig),
}

const NAMES: [&str; 15] = [
    "resnet8",
    "resnet8-W1-W2-W3",
    "resnet20",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet50-W1-W2-W3-W4",
    "seresnext50-32x4d",
    "mobilenet-v2[-MULTIPLIER]",
    "any of these with -imagenet",
    "wrn-DEPTH-WIDTH",
    "six-conv",
    "NETWORK+embedding-DIM[-pixels][-sSCALE]",
    "gpt-LAYERS-WIDTH-HEADS",
];

/// The largest width or depth that a name may ask for.
const LARGEST: usize = 4096;

/// A number of a name.
pub(crate) fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n| (1..=LARGEST).contains(n))
}

impl NetworkSpec {
    /// Builds the network for images of shape `input` and `classes` classes; its values are created in
    /// `parameters`.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] when the image is smaller than the network's total stride, there are fewer
    /// than two classes, or the network reads tokens.
    pub fn build(
        &self,
        input: InputShape,
        classes: usize,
        parameters: &Parameters,
    ) -> Result<Box<dyn Network>> {
        let invalid = |what: String, remedy| Error::InvalidSpec { network: self.to_string(), what, remedy };
        if classes < 2 {
            return Err(invalid(format!("{classes} classes"), "a classifier needs at least two classes"));
        }
        let stride = self.total_stride();
        if input.height < stride || input.width < stride || input.channels == 0 {
            let InputShape { channels, height, width } = input;
            return Err(invalid(
                format!("images of {channels}x{height}x{width} for a total stride of {stride}"),
                "use larger images or a network of fewer stages, without -imagenet",
            ));
        }
        let (backend, vb) = (parameters.backend(), parameters.var_builder());
        if let Self::Embedding(config) = self {
            let trunk = config.trunk.trunk(input.channels, backend, &vb)?;
            return Ok(Box::new(Embedding::new(
                config,
                trunk,
                self.map_pixels(input),
                classes,
                backend,
                &vb,
            )?));
        }
        let trunk = self.trunk(input.channels, backend, &vb)?;
        let name = if matches!(self, Self::MobileNetV2(_)) { "classifier.1" } else { "fc" };
        let head = Head::new(trunk.channels(), classes, backend, vb.pp(name))?;
        Ok(Box::new(Classifier { trunk, head }))
    }

    /// This network with an embedding of `dim` dimensions in place of its classifier, and the scale of the cosines.
    ///
    /// ```
    /// use ss_models::NetworkSpec;
    /// use ss_models::embedding::MapsAs;
    ///
    /// let spec: NetworkSpec = "resnet8".parse()?;
    /// let spec = spec.with_embedding(64, MapsAs::Pixels, 10);
    /// assert_eq!(spec.to_string(), "resnet8+embedding-64-pixels-s10");
    /// # Ok::<(), ss_models::Error>(())
    /// ```
    #[must_use]
    pub fn with_embedding(self, dim: usize, of: MapsAs, scale: usize) -> Self {
        Self::Embedding(EmbeddingConfig { trunk: Box::new(self), dim, of, scale })
    }

    /// What lies below the classifier, or below the embedding.
    fn trunk(&self, channels: usize, backend: Backend, vb: &VarBuilder) -> Result<Box<dyn Trunk>> {
        Ok(match self {
            Self::ResNet(config) => Box::new(ResNet::new(config, channels, backend, vb)?),
            Self::MobileNetV2(config) => Box::new(MobileNetV2::new(*config, channels, backend, vb)?),
            Self::WideResNet(config) => Box::new(WideResNet::new(config, channels, backend, vb)?),
            Self::SixConv => Box::new(Plain::new(&PlainConfig::six_conv(), channels, backend, vb)?),
            Self::Embedding(config) => config.trunk.trunk(channels, backend, vb)?,
            Self::Gpt(_) => return Err(self.reads_tokens()),
        })
    }

    /// Builds the network for windows of up to `context` tokens, each one of `vocabulary`.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] when the network reads images, and as [`Gpt::new`].
    pub fn build_language(
        &self,
        context: usize,
        vocabulary: usize,
        parameters: &Parameters,
    ) -> Result<Box<dyn Network>> {
        let Self::Gpt(config) = self else {
            return Err(Error::InvalidSpec {
                network: self.to_string(),
                what: "tokens to read".into(),
                remedy: "it reads images: use gpt-LAYERS-WIDTH-HEADS, such as gpt-2-128-4",
            });
        };
        let vb = parameters.var_builder();
        Ok(Box::new(Gpt::new(*config, context, vocabulary, parameters.backend(), &vb)?))
    }

    fn reads_tokens(&self) -> Error {
        Error::InvalidSpec {
            network: self.to_string(),
            what: "images to read".into(),
            remedy: "it reads tokens: choose another network",
        }
    }

    fn total_stride(&self) -> usize {
        match self {
            Self::ResNet(config) => config.total_stride(),
            Self::MobileNetV2(config) => config.total_stride(),
            Self::WideResNet(_) | Self::SixConv => 4,
            Self::Gpt(_) => 1,
            Self::Embedding(config) => config.trunk.total_stride(),
        }
    }
}

impl FromStr for NetworkSpec {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::UnknownNetwork { name: name.to_owned(), expected: NAMES.to_vec() };
        if name == "six-conv" {
            return Ok(Self::SixConv);
        }
        if name.contains('+') {
            let config = EmbeddingConfig::parse(name).ok_or_else(unknown)??;
            return match *config.trunk {
                Self::Embedding(_) | Self::Gpt(_) => Err(unknown()),
                _ => Ok(Self::Embedding(config)),
            };
        }
        if let Some(config) = ResNetConfig::parse(name)? {
            return Ok(Self::ResNet(config));
        }
        if let Some(config) = MobileNetV2Config::parse(name) {
            return Ok(Self::MobileNetV2(config));
        }
        if let Some(rest) = name.strip_prefix("gpt-") {
            let numbers = rest.split('-').map(number).collect::<Option<Vec<usize>>>().ok_or_else(unknown)?;
            let [layers, width, heads] = <[usize; 3]>::try_from(numbers).map_err(|_| unknown())?;
            return Ok(Self::Gpt(GptConfig { layers, width, heads }));
        }
        if let Some(rest) = name.strip_prefix("wrn-") {
            let numbers = rest.split('-').map(number).collect::<Option<Vec<usize>>>().ok_or_else(unknown)?;
            let [depth, width] = <[usize; 2]>::try_from(numbers).map_err(|_| unknown())?;
            if depth < 10 || !(depth - 4).is_multiple_of(6) {
                return Err(Error::InvalidSpec {
                    network: name.to_owned(),
                    what: format!("depth {depth}"),
                    remedy: "use a depth of 6k + 4, such as 10, 16, 28 or 40",
                });
            }
            return Ok(Self::WideResNet(WideResNetConfig { depth, width }));
        }
        Err(unknown())
    }
}

impl fmt::Display for NetworkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResNet(config) => config.fmt(f),
            Self::MobileNetV2(config) => config.fmt(f),
            Self::WideResNet(c) => write!(f, "wrn-{}-{}", c.depth, c.width),
            Self::SixConv => f.write_str("six-conv"),
            Self::Gpt(config) => config.fmt(f),
            Self::Embedding(config) => config.fmt(f),
        }
    }
}

impl fmt::Display for GptConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gpt-{}-{}-{}", self.layers, self.width, self.heads)
    }
}

impl TryFrom<String> for NetworkSpec {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<NetworkSpec> for String {
    fn from(spec: NetworkSpec) -> Self {
        spec.to_string()
    }
}
