//! `cargo run -p search --example build_dictionary -- SRC OUT`
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("SRC OUT".into());
    };
    search::dictionary::build(source.as_ref(), out.as_ref())?;
    Ok(())
}
