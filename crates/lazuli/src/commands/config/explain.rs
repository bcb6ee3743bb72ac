//! `lazuli config explain`: each setting, its value, and where the value came from.

use crate::cli::Settings;
use crate::config::{Config, Layers};
use crate::failure::Failure;
use crate::output;

/// Prints the settings, and fails after that if one of them is wrong.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let layers = Layers::read(settings.config.as_deref(), variable, &settings.flags())?;
    let rows = layers.explain();
    let keys = rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let texts = rows.iter().map(|(_, text, _)| text.chars().count()).max().unwrap_or(0).min(40);
    for (key, text, origin) in rows {
        output::line(format!("{key:keys$}  {text:texts$}  {origin}"))?;
    }
    Config::from_layers(&layers).map(|_| ())
}
