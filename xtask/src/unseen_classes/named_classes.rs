//! Images whose classes have a name that a user knows: the folder of a person, the character of an alphabet.

use anyhow::{Result, bail};
use ss_data::{ImageSet, of_classes};

/// Images of classes that are dealt to training, validation and test.
pub(crate) struct NamedClasses {
    pub(crate) images: ImageSet,
    /// Where the images of each class are.
    names: Vec<String>,
}

impl NamedClasses {
    /// `name` says where the images of a class are.
    pub(crate) fn new(images: ImageSet, name: impl Fn(usize) -> String) -> Self {
        let names = (0..images.classes()).map(name).collect();
        Self { images, names }
    }

    /// The images of these classes, numbered anew. Each must have at least `needed` of them for a `purpose`.
    pub(crate) fn part(&self, classes: &[u32], needed: usize, purpose: &str) -> Result<ImageSet> {
        self.check(classes, needed, purpose)?;
        Ok(of_classes(&self.images, classes)?)
    }

    /// Whether each of these classes has at least `needed` images for a `purpose`.
    pub(crate) fn check(&self, classes: &[u32], needed: usize, purpose: &str) -> Result<()> {
        let counts = self.images.class_counts();
        let few = classes.iter().map(|&class| class as usize).find(|&class| counts[class] < needed);
        if let Some(class) = few {
            let (name, found) = (&self.names[class], counts[class]);
            let images = if found == 1 { "image" } else { "images" };
            bail!(
                "{name}: {found} {images}, but {needed} are needed for {purpose}; add images, or take the class out"
            );
        }
        Ok(())
    }
}
