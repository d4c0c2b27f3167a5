//! Schemes and services: 制度・社会資源.

use serde::Deserialize;

/// An entry of a catalogue, as far as it is searched. Contacts and dates say nothing about a need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resource {
    pub name: String,
    /// 給付, サービス, 相談窓口 …
    pub kind: String,
    /// Fields of support: 医療, 住まい …
    pub fields: Vec<String>,
    /// Whom it is for.
    pub eligibility: String,
    pub detail: String,
    pub area: String,
}

impl Resource {
    /// What is embedded and indexed. The same in `pipelines/training/retrieval.py`.
    #[must_use]
    pub fn text(&self) -> String {
        let fields = self.fields.join("・");
        [
            &self.name,
            &self.kind,
            &fields,
            &self.eligibility,
            &self.detail,
        ]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("。")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_leaves_no_gap() {
        let resource = Resource {
            name: "就学援助".to_owned(),
            fields: vec!["教育".to_owned(), "生活困窮".to_owned()],
            detail: "学用品費".to_owned(),
            area: "青葉市".to_owned(),
            ..Resource::default()
        };
        assert_eq!(resource.text(), "就学援助。教育・生活困窮。学用品費");
    }
}
