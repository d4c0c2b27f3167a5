//! Templates for entries of the 支援経過, read from `datasets/progress-templates.toml`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Texts of a template may be so long, in characters.
pub const LONGEST: usize = 4_000;

/// What a template fills in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    pub name: String,
    /// Option list `log_method`.
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    /// Text, or headings to write under. `{date}` and `{time}` are filled in when it is taken.
    pub content: String,
    /// Option list `log_kind`.
    #[serde(default)]
    pub log_kind: Vec<String>,
    /// Option list `log_target`.
    #[serde(default)]
    pub log_target: Vec<String>,
    #[serde(default)]
    pub minutes: Option<u32>,
    /// The text is a whole entry: it can be finalised as it is (不在, 面会拒否).
    #[serde(default)]
    pub whole: bool,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template")
    }
}

#[derive(Deserialize)]
struct File {
    template: Vec<Template>,
}

static BUILTIN: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let text = include_str!("../../../datasets/progress-templates.toml");
    // A broken file is found by the test below.
    toml::from_str::<File>(text)
        .map(|file| file.template)
        .unwrap_or_default()
});

/// The built-in templates, in the order of the file.
#[must_use]
pub fn builtin() -> &'static [Template] {
    &BUILTIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_can_be_read_and_names_known_options() {
        assert!(builtin().len() >= 6);
        let list = |name: &str, code: &str| {
            crate::form::catalogue()
                .list(name)
                .is_some_and(|list| list.option(code).is_some())
        };
        let mut names = std::collections::BTreeSet::new();
        for template in builtin() {
            assert!(names.insert(template.name.as_str()), "{}", template.name);
            assert!(!template.content.trim().is_empty());
            assert!(template.method.iter().all(|code| list("log_method", code)));
            assert!(template.log_kind.iter().all(|code| list("log_kind", code)));
            let targets = &template.log_target;
            assert!(targets.iter().all(|code| list("log_target", code)));
        }
        let whole = builtin().iter().filter(|template| template.whole);
        assert!(
            whole.clone().count() == 2
                && whole
                    .clone()
                    .all(|template| template.method.as_deref() == Some("outreach_noshow"))
        );
    }
}
