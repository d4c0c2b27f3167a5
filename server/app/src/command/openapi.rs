//! `musubi openapi`: the description of the HTTP interface.

pub fn run() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&api::openapi())?);
    Ok(())
}
