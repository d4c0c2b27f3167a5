//! The drawing list as PNG: painted with plotters' bitmap backend at three times the size and
//! averaged down, because that backend does not smooth thick lines.

use std::sync::OnceLock;

use plotters::backend::BitMapBackend;
use plotters::drawing::IntoDrawingArea;
use plotters::element::{PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle, register_font};

use crate::drawing::{Drawing, Item};
use crate::svg::FONTS;

const SMOOTH: u32 = 3;
/// Longest side of the result in pixels.
const LARGEST: f64 = 3000.0;

#[derive(Debug, thiserror::Error)]
pub enum PngError {
    #[error("図のフォントを読み込めません。資産フォルダの fonts を入れ直してください")]
    Font,
    #[error("図を描けませんでした（{0}）")]
    Drawing(String),
}

/// Proof that the Japanese font is registered with plotters.
#[derive(Debug, Clone, Copy)]
pub struct Fonts(());

impl Fonts {
    /// Registers the font for the life of the process; later calls return at once.
    pub fn register(regular: Vec<u8>, bold: Option<Vec<u8>>) -> Result<Self, PngError> {
        static DONE: OnceLock<bool> = OnceLock::new();
        let add = |style: FontStyle, bytes: Vec<u8>| {
            register_font(FONTS, style, Box::leak(bytes.into_boxed_slice())).is_ok()
        };
        let done = *DONE.get_or_init(|| {
            add(FontStyle::Normal, regular) && bold.is_none_or(|bytes| add(FontStyle::Bold, bytes))
        });
        if done {
            Ok(Self(()))
        } else {
            Err(PngError::Font)
        }
    }
}

/// Paints at `scale` (1 = CSS pixels, 2 for print); very large maps are made to fit 3000 pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are bounded by LARGEST"
)]
pub fn to_png(drawing: &Drawing, scale: f64, _fonts: Fonts) -> Result<Vec<u8>, PngError> {
    let [left, top, w, h] = drawing.view;
    let scale = scale.clamp(0.5, 4.0).min(LARGEST / w.max(h).max(1.0));
    let (width, height) = (
        ((w * scale).ceil() as u32).max(1),
        ((h * scale).ceil() as u32).max(1),
    );
    let (big_w, big_h) = (width * SMOOTH, height * SMOOTH);
    let k = scale * f64::from(SMOOTH);
    let at = |p: [f64; 2]| {
        (
            ((p[0] - left) * k).round() as i32,
            ((p[1] - top) * k).round() as i32,
        )
    };
    let stroke = |colour: &str, width: f64| {
        colour_of(colour).stroke_width((width * k).round().max(1.0) as u32)
    };
    let mut pixels = vec![255_u8; big_w as usize * big_h as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (big_w, big_h)).into_drawing_area();
        let failed = |e: &dyn std::fmt::Display| PngError::Drawing(e.to_string());
        for item in &drawing.items {
            match item {
                Item::Path { .. } | Item::Ellipse { .. } => {
                    let (points, closed, fill, colour, width, dash) = outline(item);
                    if let Some(fill) = fill {
                        let corners: Vec<(i32, i32)> = points.iter().map(|p| at(*p)).collect();
                        area.draw(&Polygon::new(corners, colour_of(fill).filled()))
                            .map_err(|e| failed(&e))?;
                    }
                    if width > 0.0 {
                        for piece in dashed(&points, closed, dash) {
                            let piece: Vec<(i32, i32)> = piece.iter().map(|p| at(*p)).collect();
                            area.draw(&PathElement::new(piece, stroke(colour, width)))
                                .map_err(|e| failed(&e))?;
                        }
                    }
                }
                Item::Text {
                    x,
                    y,
                    text,
                    size,
                    bold,
                    fill,
                    start,
                    ..
                } => {
                    let style = TextStyle {
                        font: (
                            FONTS,
                            size * k,
                            if *bold {
                                FontStyle::Bold
                            } else {
                                FontStyle::Normal
                            },
                        )
                            .into_font(),
                        color: colour_of(fill).to_backend_color(),
                        pos: Pos::new(if *start { HPos::Left } else { HPos::Center }, VPos::Center),
                    };
                    area.draw(&Text::new(text.clone(), at([*x, *y]), style))
                        .map_err(|e| failed(&e))?;
                }
            }
        }
        area.present().map_err(|e| failed(&e))?;
    }
    let small = averaged(&pixels, width, height);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder
        .write_header()
        .map_err(|e| PngError::Drawing(e.to_string()))?;
    writer
        .write_image_data(&small)
        .map_err(|e| PngError::Drawing(e.to_string()))?;
    writer
        .finish()
        .map_err(|e| PngError::Drawing(e.to_string()))?;
    Ok(bytes)
}

type Outline<'a> = (
    Vec<[f64; 2]>,
    bool,
    Option<&'a str>,
    &'a str,
    f64,
    &'a [f64],
);

fn outline(item: &Item) -> Outline<'_> {
    match item {
        Item::Path {
            points,
            closed,
            fill,
            stroke,
            width,
            dash,
            ..
        } => (
            points.clone(),
            *closed,
            fill.as_deref(),
            stroke,
            *width,
            dash,
        ),
        Item::Ellipse {
            x,
            y,
            rx,
            ry,
            fill,
            stroke,
            width,
            dash,
            ..
        } => {
            let points = (0..72)
                .map(|step| {
                    let angle = f64::to_radians(5.0 * f64::from(step));
                    [x + rx * angle.cos(), y + ry * angle.sin()]
                })
                .collect();
            (points, true, fill.as_deref(), stroke, *width, dash)
        }
        Item::Text { .. } => (vec![], false, None, "#000000", 0.0, &[]),
    }
}

/// Cuts a line into its dashes.
fn dashed(points: &[[f64; 2]], closed: bool, dash: &[f64]) -> Vec<Vec<[f64; 2]>> {
    let mut line = points.to_vec();
    if closed && let Some(first) = points.first() {
        line.push(*first);
    }
    if dash.is_empty() || dash.iter().sum::<f64>() < 1.0 {
        return vec![line];
    }
    let mut pieces = Vec::new();
    let (mut phase, mut left) = (0, dash[0]);
    let mut piece = vec![line.first().copied().unwrap_or_default()];
    for pair in line.windows(2) {
        let (mut a, b) = (pair[0], pair[1]);
        loop {
            let length = (b[0] - a[0]).hypot(b[1] - a[1]);
            if length <= left {
                left -= length;
                piece.push(b);
                break;
            }
            let t = left / length;
            let cut = [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
            piece.push(cut);
            if phase % 2 == 0 {
                pieces.push(piece);
            }
            piece = vec![cut];
            a = cut;
            phase += 1;
            left = dash[phase % dash.len()].max(0.5);
        }
    }
    if phase % 2 == 0 && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

fn averaged(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let side = SMOOTH as usize;
    let row = width as usize * side * 3;
    let mut out = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height as usize {
        for x in 0..width as usize {
            for channel in 0..3 {
                let sum: u32 = (0..side)
                    .flat_map(|dy| (0..side).map(move |dx| (dx, dy)))
                    .map(|(dx, dy)| {
                        u32::from(pixels[(y * side + dy) * row + (x * side + dx) * 3 + channel])
                    })
                    .sum();
                out.push(u8::try_from(sum / (SMOOTH * SMOOTH)).unwrap_or(255));
            }
        }
    }
    out
}

fn colour_of(hex: &str) -> RGBColor {
    let value = u32::from_str_radix(hex.trim_start_matches('#'), 16).unwrap_or(0);
    let [_, r, g, b] = value.to_be_bytes();
    RGBColor(r, g, b)
}
