//! A network by name or by its numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::gpt::{Gpt, GptConfig};
use crate::parameters::Parameters;
use crate::plain::{Plain, PlainConfig};
use crate::resnet::{ResNet, ResNetConfig};
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

/// Which network to build. Parses from the names `resnet8`, `resnet8-8-16-32` (its widths), `resnet20`,
/// `resnet18`, `wrn-16-4` (depth and width), `six-conv` and `gpt-2-128-4` (layers, width, heads), and prints as them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NetworkSpec {
    /// Residual network of basic blocks.
    ResNet(ResNetConfig),
    /// Wide residual network.
    WideResNet(WideResNetConfig),
    /// The plain stack `six-conv`.
    SixConv,
    /// A decoder-only transformer, which reads tokens and not images.
    Gpt(GptConfig),
}

const NAMES: [&str; 7] = [
    "resnet8",
    "resnet8-W1-W2-W3",
    "resnet20",
    "resnet18",
    "wrn-DEPTH-WIDTH",
    "six-conv",
    "gpt-LAYERS-WIDTH-HEADS",
];

/// The largest width or depth that a name may ask for.
const LARGEST: usize = 4096;

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
                "use larger images or a network of fewer stages",
            ));
        }
        let (backend, vb) = (parameters.backend(), parameters.var_builder());
        Ok(match self {
            Self::ResNet(config) => Box::new(ResNet::new(config, input.channels, classes, backend, &vb)?),
            Self::WideResNet(config) => {
                Box::new(WideResNet::new(config, input.channels, classes, backend, &vb)?)
            }
            Self::SixConv => {
                Box::new(Plain::new(&PlainConfig::six_conv(), input.channels, classes, backend, &vb)?)
            }
            Self::Gpt(_) => {
                return Err(invalid("images to read".into(), "it reads tokens: choose another network"));
            }
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

    fn total_stride(&self) -> usize {
        match self {
            Self::ResNet(config) => 1 << (config.blocks.len() - 1),
            Self::WideResNet(_) | Self::SixConv => 4,
            Self::Gpt(_) => 1,
        }
    }
}

impl FromStr for NetworkSpec {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::UnknownNetwork { name: name.to_owned(), expected: NAMES.to_vec() };
        let numbers = |text: &str| -> Result<Vec<usize>> {
            text.split('-')
                .map(|part| {
                    part.parse::<usize>().ok().filter(|n| (1..=LARGEST).contains(n)).ok_or_else(unknown)
                })
                .collect()
        };
        match name {
            "resnet8" => return Ok(Self::ResNet(ResNetConfig::resnet8([16, 32, 64]))),
            "resnet20" => return Ok(Self::ResNet(ResNetConfig::resnet20())),
            "resnet18" => return Ok(Self::ResNet(ResNetConfig::resnet18())),
            "six-conv" => return Ok(Self::SixConv),
            _ => {}
        }
        if let Some(rest) = name.strip_prefix("resnet8-") {
            let widths = <[usize; 3]>::try_from(numbers(rest)?).map_err(|_| unknown())?;
            return Ok(Self::ResNet(ResNetConfig::resnet8(widths)));
        }
        if let Some(rest) = name.strip_prefix("gpt-") {
            let [layers, width, heads] = <[usize; 3]>::try_from(numbers(rest)?).map_err(|_| unknown())?;
            return Ok(Self::Gpt(GptConfig { layers, width, heads }));
        }
        if let Some(rest) = name.strip_prefix("wrn-") {
            let [depth, width] = <[usize; 2]>::try_from(numbers(rest)?).map_err(|_| unknown())?;
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
            Self::ResNet(c) if *c == ResNetConfig::resnet20() => f.write_str("resnet20"),
            Self::ResNet(c) if *c == ResNetConfig::resnet18() => f.write_str("resnet18"),
            Self::ResNet(c) if c.widths == [16, 32, 64] => f.write_str("resnet8"),
            Self::ResNet(c) => {
                f.write_str("resnet8")?;
                c.widths.iter().try_for_each(|width| write!(f, "-{width}"))
            }
            Self::WideResNet(c) => write!(f, "wrn-{}-{}", c.depth, c.width),
            Self::SixConv => f.write_str("six-conv"),
            Self::Gpt(config) => config.fmt(f),
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
