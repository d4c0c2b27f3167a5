//! `GET /docs`: the API description as a page that needs no script.

use axum::response::Html;

/// A readable list of the operations.
pub async fn docs() -> Html<String> {
    let document = crate::openapi();
    let mut rows = String::new();
    let value = serde_json::to_value(&document).unwrap_or_default();
    for (path, item) in value["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let text = |key: &str| escape(operation[key].as_str().unwrap_or_default());
            let tag = escape(operation["tags"][0].as_str().unwrap_or_default());
            rows.push_str(&format!(
                "<tr><td>{tag}</td><td><code>{}</code></td><td><code>{}</code></td><td>{}</td></tr>",
                method.to_uppercase(),
                escape(path),
                text("summary")
            ));
        }
    }
    Html(format!(
        "<!doctype html><html lang=\"ja\"><meta charset=\"utf-8\"><title>結 API</title>\
         <h1>結 API</h1><p>OpenAPI 3.1: <a href=\"api/openapi.json\">api/openapi.json</a></p>\
         <table border=\"1\" cellpadding=\"6\"><thead><tr><th>区分</th><th>方法</th><th>パス</th><th>内容</th></tr></thead>\
         <tbody>{rows}</tbody></table></html>"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
