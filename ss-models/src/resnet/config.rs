//! The numbers of a residual network, and its names.

use std::fmt;

use crate::layers::Stem;
use crate::spec::number;
use crate::{Error, Result};

/// A published depth: how many blocks a stage has, and how many channels.
#[derive(Debug, PartialEq, Eq)]
struct Design {
    /// Layers with weights, as in the name.
    depth: usize,
    bottleneck: bool,
    blocks: &'static [usize],
    widths: &'static [usize],
}

const IMAGENET_WIDTHS: &[usize] = &[64, 128, 256, 512];
const RESNET50: Design =
    Design { depth: 50, bottleneck: true, blocks: &[3, 4, 6, 3], widths: IMAGENET_WIDTHS };

static DESIGNS: [Design; 6] = [
    Design { depth: 8, bottleneck: false, blocks: &[1; 3], widths: &[16, 32, 64] },
    Design { depth: 20, bottleneck: false, blocks: &[3; 3], widths: &[16, 32, 64] },
    Design { depth: 18, bottleneck: false, blocks: &[2; 4], widths: IMAGENET_WIDTHS },
    Design { depth: 34, bottleneck: false, blocks: &[3, 4, 6, 3], widths: IMAGENET_WIDTHS },
    RESNET50,
    Design { depth: 101, bottleneck: true, blocks: &[3, 4, 23, 3], widths: IMAGENET_WIDTHS },
];

/// The blocks of SE-ResNeXt (Xie et al. 2017; Hu et al. 2018).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cardinality {
    /// Groups of the 3x3 convolution.
    pub(crate) groups: usize,
    /// Channels of one group in the first of four stages of width 64.
    pub(crate) width: usize,
}

/// The numbers of a residual network: a published depth, the channels of each stage, the stem, and for
/// SE-ResNeXt the groups.
///
/// Stage `k` has blocks of `widths[k]` channels, bottlenecks four times as many at their end; every stage but the
/// first halves the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    design: &'static Design,
    widths: Vec<usize>,
    cardinality: Option<Cardinality>,
    stem: Stem,
}

impl ResNetConfig {
    fn of_depth(depth: usize) -> Option<Self> {
        let design = DESIGNS.iter().find(|design| design.depth == depth)?;
        Some(Self { design, widths: design.widths.to_vec(), cardinality: None, stem: Stem::Small })
    }

    /// ResNet-8 of the given widths: one block a stage.
    pub fn resnet8(widths: [usize; 3]) -> Self {
        Self { design: &DESIGNS[0], widths: widths.to_vec(), cardinality: None, stem: Stem::Small }
    }

    /// ResNet-20 of widths 16-32-64: three blocks a stage.
    pub fn resnet20() -> Self {
        Self { design: &DESIGNS[1], ..Self::resnet8([16, 32, 64]) }
    }

    /// ResNet-18 of widths 64-128-256-512: two blocks a stage.
    pub fn resnet18() -> Self {
        let design = &DESIGNS[2];
        Self { design, widths: design.widths.to_vec(), cardinality: None, stem: Stem::Small }
    }

    /// The same with the stem for images of ImageNet's size.
    #[must_use]
    pub fn for_imagenet(self) -> Self {
        Self { stem: Stem::ImageNet, ..self }
    }

    /// Parses `resnetDEPTH[-WIDTHS][-imagenet]` and `seresnext50-GxWd[-WIDTHS][-imagenet]`; `None` for other
    /// names.
    pub(crate) fn parse(name: &str) -> Result<Option<Self>> {
        let (short, stem) = Stem::of_name(name);
        let Some(mut config) = Self::parse_short(short) else { return Ok(None) };
        config.stem = stem;
        if let Some(cardinality) = config.cardinality
            && let Some(&narrow) = config.widths.iter().find(|&&width| cardinality.inner(width) == 0)
        {
            return Err(Error::InvalidSpec {
                network: name.to_owned(),
                what: format!(
                    "a stage of width {narrow} has {narrow} * {} / 64 < 1 channels a group",
                    cardinality.width
                ),
                remedy: "use wider stages or groups",
            });
        }
        Ok(Some(config))
    }

    fn parse_short(name: &str) -> Option<Self> {
        let (rest, grouped) = match name.strip_prefix("seresnext50-") {
            Some(rest) => (rest, true),
            None => (name.strip_prefix("resnet")?, false),
        };
        let mut parts = rest.split('-');
        let first = parts.next()?;
        let mut config = if grouped {
            let (groups, width) = first.strip_suffix('d')?.split_once('x')?;
            let cardinality = Cardinality { groups: number(groups)?, width: number(width)? };
            Self { cardinality: Some(cardinality), ..Self::of_depth(50)? }
        } else {
            Self::of_depth(number(first)?)?
        };
        let widths = parts.map(number).collect::<Option<Vec<usize>>>()?;
        if !widths.is_empty() {
            if widths.len() != config.widths.len() {
                return None;
            }
            config.widths = widths;
        }
        Some(config)
    }

    pub(crate) fn stem(&self) -> Stem {
        self.stem
    }

    /// Channels of the stem.
    pub(crate) fn stem_width(&self) -> usize {
        self.widths[0]
    }

    /// Pixels of the image, along one axis, that one pixel of the last maps stands for.
    pub(crate) fn total_stride(&self) -> usize {
        self.stem.stride() << (self.widths.len() - 1)
    }

    /// All blocks in order.
    pub(crate) fn blocks(&self) -> Vec<BlockConfig> {
        let mut inputs = self.stem_width();
        let mut found = Vec::new();
        for (stage, (&count, &width)) in self.design.blocks.iter().zip(&self.widths).enumerate() {
            for index in 0..count {
                let kind = match self.cardinality {
                    _ if !self.design.bottleneck => BlockKind::Basic,
                    None => BlockKind::Bottleneck { inner: width, groups: 1, squeezed: None },
                    Some(cardinality) => BlockKind::Bottleneck {
                        inner: cardinality.inner(width),
                        groups: cardinality.groups,
                        squeezed: Some(squeezed(4 * width)),
                    },
                };
                let outputs = if self.design.bottleneck { 4 * width } else { width };
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                found.push(BlockConfig { stage, index, inputs, outputs, stride, kind });
                inputs = outputs;
            }
        }
        found
    }
}

impl Cardinality {
    /// Channels of the 3x3 convolution in a stage of this width.
    fn inner(self, width: usize) -> usize {
        width * self.width / 64 * self.groups
    }
}

/// Channels between the two layers of squeeze-and-excitation: a sixteenth, in steps of eight, as timm.
fn squeezed(channels: usize) -> usize {
    ((channels / 16 + 4) / 8 * 8).max(8)
}

/// One block and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockConfig {
    pub(crate) stage: usize,
    pub(crate) index: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) stride: usize,
    pub(crate) kind: BlockKind,
}

/// What a block computes beside its shortcut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BlockKind {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 with stride and groups, 1x1.
    Bottleneck {
        /// Channels of the 3x3 convolution.
        inner: usize,
        groups: usize,
        /// Inner channels of squeeze-and-excitation, where there is one.
        squeezed: Option<usize>,
    },
}

impl BlockConfig {
    /// Whether the shortcut is a 1x1 convolution.
    pub(crate) fn projects(&self) -> bool {
        self.stride != 1 || self.inputs != self.outputs
    }
}

impl fmt::Display for ResNetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cardinality {
            Some(Cardinality { groups, width }) => write!(f, "seresnext50-{groups}x{width}d")?,
            None => write!(f, "resnet{}", self.design.depth)?,
        }
        if self.widths != self.design.widths {
            self.widths.iter().try_for_each(|width| write!(f, "-{width}"))?;
        }
        f.write_str(self.stem.suffix())
    }
}
