//! `musubi config`: the settings in force, as TOML.

use crate::config::{Config, Options, without_secret};

pub fn run(options: Options) -> anyhow::Result<()> {
    let mut config = Config::load(&options)?;
    // Addresses may carry a password.
    for url in [&mut config.database_url, &mut config.nats_url] {
        *url = url.as_deref().map(without_secret);
    }
    print!("{}", toml::to_string_pretty(&config)?);
    Ok(())
}
