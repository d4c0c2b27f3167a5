//! The drawing list as an SVG file that needs nothing else.

use std::fmt::Write;

use crate::drawing::{Drawing, Item};

/// The font list other parts of the product use; the reader's machine has one of them.
pub(crate) const FONTS: &str = "BIZ UDPGothic, Noto Sans JP, sans-serif";

#[must_use]
pub fn to_svg(drawing: &Drawing) -> String {
    let [x, y, w, h] = drawing.view;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{x} {y} {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" font-family=\"{FONTS}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>",
        escape(&drawing.title)
    );
    for item in &drawing.items {
        // Writing to a String cannot fail.
        let _ = write_item(&mut out, item);
    }
    out.push_str("</svg>\n");
    out
}

fn write_item(out: &mut String, item: &Item) -> std::fmt::Result {
    match item {
        Item::Path {
            points,
            closed,
            fill,
            stroke,
            width,
            dash,
            ..
        } => {
            out.push_str("<path d=\"");
            for (at, p) in points.iter().enumerate() {
                write!(out, "{}{} {}", if at == 0 { "M" } else { "L" }, p[0], p[1])?;
            }
            if *closed {
                out.push('Z');
            }
            write!(out, "\" fill=\"{}\"", fill.as_deref().unwrap_or("none"))?;
            style(out, stroke, *width, dash)
        }
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
            write!(
                out,
                "<ellipse cx=\"{x}\" cy=\"{y}\" rx=\"{rx}\" ry=\"{ry}\" fill=\"{}\"",
                fill.as_deref().unwrap_or("none")
            )?;
            style(out, stroke, *width, dash)
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
            write!(
                out,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" dominant-baseline=\"central\" fill=\"{fill}\"{}{}>{}</text>",
                if *start {
                    ""
                } else {
                    " text-anchor=\"middle\""
                },
                if *bold { " font-weight=\"700\"" } else { "" },
                escape(text)
            )
        }
    }
}

fn style(out: &mut String, stroke: &str, width: f64, dash: &[f64]) -> std::fmt::Result {
    write!(
        out,
        " stroke=\"{stroke}\" stroke-width=\"{width}\" stroke-linejoin=\"round\""
    )?;
    if !dash.is_empty() {
        let dash: Vec<String> = dash.iter().map(f64::to_string).collect();
        write!(out, " stroke-dasharray=\"{}\"", dash.join(" "))?;
    }
    out.write_str("/>")
}

/// Text for XML: markup escaped, characters XML forbids left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if (c < ' ' && !matches!(c, '\t' | '\n' | '\r'))
                || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
