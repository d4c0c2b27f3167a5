//! `musubi config`: the settings in force, as TOML.

use crate::config::{Config, Options};

pub fn run(options: Options) -> anyhow::Result<()> {
    let mut config = Config::load(&options)?;
    // A database URL may carry a password.
    if let Some(url) = &config.database_url
        && let Some((scheme, rest)) = url.split_once("://")
        && let Some((_, host)) = rest.rsplit_once('@')
    {
        config.database_url = Some(format!("{scheme}://…@{host}"));
    }
    print!("{}", toml::to_string_pretty(&config)?);
    Ok(())
}
