//! From form definitions to the shapes that the collaboration engine checks updates against.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use collab::shape::{Field, FieldContent, Scalar, Shape, one_of};
use domain::{
    form::{Catalogue, ColumnShape, Definition, FieldShape, ScalarKind, local},
    section::DocumentKind,
};

type Shapes = BTreeMap<&'static str, Arc<Shape>>;

/// The shapes of every catalogue that is in use.
static SHAPES: Mutex<Vec<(Weak<Catalogue>, Shapes)>> = Mutex::new(Vec::new());

/// The shape of a kind of document under a municipality's sheets ([`store::Tx::forms`]): one and the
/// same as long as these are. `None` for kinds that this version has no screen for.
#[must_use]
pub fn of(kind: DocumentKind, forms: &Arc<Catalogue>) -> Option<Arc<Shape>> {
    let mut known = SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = Arc::downgrade(forms);
    if let Some((_, shapes)) = known.iter().find(|(of, _)| of.ptr_eq(&wanted)) {
        return shapes.get(kind.code()).cloned();
    }
    known.retain(|(of, _)| of.strong_count() > 0);
    let shapes: Shapes = DocumentKind::ALL
        .iter()
        .filter_map(|kind| Some((kind.code(), Arc::new(build(*kind, forms)?))))
        .collect();
    let shape = shapes.get(kind.code()).cloned();
    known.push((wanted, shapes));
    shape
}

fn build(kind: DocumentKind, forms: &Catalogue) -> Option<Shape> {
    let shape = match kind {
        DocumentKind::Note => Shape::note(),
        DocumentKind::Network => Shape::network(),
        // Holds anchors and codes only: nothing to look for a personal number in.
        DocumentKind::Masks => return Some(Shape::masks()),
        other => sheet(other, forms.definition(other.form()?)?),
    };
    Some(
        shape
            .with_personal_number_check(Arc::new(|text| !domain::my_number::find(text).is_empty())),
    )
}

fn sheet(kind: DocumentKind, definition: &Definition) -> Shape {
    let form = definition.shape();
    let fields: Vec<Field> = form
        .fields
        .iter()
        .map(|(id, shape)| Field {
            id: id.clone(),
            content: field(shape),
        })
        .collect();
    let own = definition
        .fields()
        .filter(|field| field.local)
        .filter_map(|field| Some((field.id.as_str(), local::own_number(&field.id)?)));
    Shape::sheet(kind.code(), &form.form, form.schema, &fields).with_grown(own)
}

fn field(shape: &FieldShape) -> FieldContent {
    match shape {
        FieldShape::Text { max_chars, .. } => live_text(*max_chars),
        FieldShape::Scalar(kind) => FieldContent::Scalar(scalar(kind)),
        FieldShape::Options { codes } => FieldContent::Options(codes.clone()),
        FieldShape::Table { columns, .. } => FieldContent::Table(
            columns
                .iter()
                .map(|(id, shape)| Field {
                    id: id.clone(),
                    content: column(shape),
                })
                .collect(),
        ),
    }
}

fn column(shape: &ColumnShape) -> FieldContent {
    match shape {
        ColumnShape::Text { max_chars, .. } => live_text(*max_chars),
        ColumnShape::Scalar(kind) => FieldContent::Scalar(scalar(kind)),
        ColumnShape::Options { codes } => FieldContent::Options(codes.clone()),
    }
}

/// Limits are written in characters; the engine counts UTF-16 units, of which a character has up
/// to two.
fn live_text(max_chars: usize) -> FieldContent {
    FieldContent::LiveText {
        max: u32::try_from(max_chars.saturating_mul(2)).unwrap_or(u32::MAX),
    }
}

fn scalar(kind: &ScalarKind) -> Scalar {
    /// Largest whole number that a JSON number holds exactly.
    const EXACT: i64 = 9_007_199_254_740_991;
    match kind {
        ScalarKind::Int => Scalar::Integer {
            min: -EXACT,
            max: EXACT,
        },
        ScalarKind::Number => Scalar::Number {
            min: -9.0e15,
            max: 9.0e15,
        },
        ScalarKind::Bool => Scalar::Bool,
        ScalarKind::Date { .. } => Scalar::Date,
        ScalarKind::Datetime => Scalar::DateTime,
        ScalarKind::Choice { codes } => one_of(codes),
        ScalarKind::Reference => Scalar::Code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_with_a_screen_has_a_shape_and_a_seed() {
        for kind in [
            DocumentKind::Note,
            DocumentKind::Intake,
            DocumentKind::Assessment,
            DocumentKind::Network,
            DocumentKind::Masks,
            DocumentKind::Screening,
            DocumentKind::Plan,
            DocumentKind::Meeting,
            DocumentKind::Evaluation,
        ] {
            let shape = of(kind, domain::form::catalogue()).unwrap_or_else(|| panic!("{kind}"));
            assert_eq!(shape.kind(), kind.code());
        }
        assert!(
            collab::seed::seed(&of(DocumentKind::Assessment, domain::form::catalogue()).unwrap())
                .is_some()
        );
    }
}
