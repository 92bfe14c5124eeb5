//! What tables of networks have in common that are tested on classes which training has not seen.

mod flags;
mod named_classes;

use anyhow::Result;
use ss_cli::Recipe;
use ss_data::{Dataset, ImageSet};

pub(crate) use flags::Flags;
pub(crate) use named_classes::NamedClasses;

/// Makes a recipe one of seconds, on the generated patterns of the smoke profiles.
pub(crate) fn shrink(recipe: &mut Recipe) -> Result<()> {
    recipe.network = "resnet8-8-16-16+embedding-32-s10".parse()?;
    recipe.train.augmentation.crop_padding = 1;
    recipe.train.batch_size = 16;
    recipe.train.learning_rate = 0.05;
    recipe.trials = 4;
    recipe.trial_epochs = 1.0;
    recipe.set_epochs(20);
    Ok(())
}

/// Which images they are, for a journal.
pub(crate) fn digest(images: &ImageSet) -> String {
    let dataset = Dataset { name: String::new(), train: images.clone(), test: None };
    format!("{:016x}", dataset.digest())
}
