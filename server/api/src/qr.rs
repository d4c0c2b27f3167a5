//! QR codes (ISO/IEC 18004) as PNG pictures.

use png::{BitDepth, ColorType, Encoder, EncodingError};
use qrcodegen::{DataTooLong, QrCode, QrCodeEcc};

/// Pixels per module.
const SCALE: usize = 8;
/// Modules of white around the code, as the standard asks for.
const QUIET: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum QrError {
    #[error("the text is too long for a QR code: {0}")]
    TooLong(#[from] DataTooLong),
    #[error("the picture could not be written: {0}")]
    Picture(#[from] EncodingError),
}

/// Black on white, 8 pixels per module, error correction M.
///
/// # Errors
/// More than about 2,300 bytes of text.
pub fn png(text: &str) -> Result<Vec<u8>, QrError> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium)?;
    let modules = code.size();
    let side = (usize::try_from(modules).unwrap_or_default() + 2 * QUIET) * SCALE;
    let module = |pixel: usize| i32::try_from(pixel / SCALE).unwrap_or(-1) - QUIET as i32;
    let pixels: Vec<u8> = (0..side * side)
        .map(|at| {
            let dark = code.get_module(module(at % side), module(at / side));
            if dark { 0 } else { u8::MAX }
        })
        .collect();
    let mut picture = Vec::new();
    let width = u32::try_from(side).unwrap_or(u32::MAX);
    let mut encoder = Encoder::new(&mut picture, width, width);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of modules without the quiet zone, `true` = dark.
    fn modules(picture: &[u8]) -> Vec<Vec<bool>> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(picture))
            .read_info()
            .unwrap();
        let side = reader.info().width as usize;
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let dark = |x: usize, y: usize| pixels[y * side + x] == 0;
        assert!(
            (0..side).all(|at| (0..QUIET * SCALE).all(|edge| !dark(at, edge)
                && !dark(edge, at)
                && !dark(at, side - 1 - edge)
                && !dark(side - 1 - edge, at)))
        );
        (QUIET..side / SCALE - QUIET)
            .map(|y| {
                (QUIET..side / SCALE - QUIET)
                    .map(|x| dark(x * SCALE, y * SCALE))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn a_code_has_its_three_corners_and_the_text_decides_the_rest() {
        let read = |text: &str| modules(&png(text).unwrap());
        let one = read("otpauth://totp/Musubi:a?secret=JBSWY3DPEHPK3PXP");
        let last = one.len() - 7;
        for (x, y) in [(0, 0), (last, 0), (0, last)] {
            let row = |at: usize| one[y + at][x..x + 7].to_vec();
            assert_eq!(row(0), [true; 7]);
            assert_eq!(row(1), [true, false, false, false, false, false, true]);
            assert_eq!(row(3), [true, false, true, true, true, false, true]);
        }
        assert_ne!(one, read("otpauth://totp/Musubi:a?secret=JBSWY3DPEHPK3PXQ"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(png(&"結".repeat(2000)), Err(QrError::TooLong(_))));
    }
}
