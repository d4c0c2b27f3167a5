//! Every operation of the interface against every role: who gets in, who is refused, for whom the
//! thing does not exist. An operation that is not in the table fails the test.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use musubi_tests::{Client, Peer, each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{OPEN_CASE, PROTECTED_CASE, World, no_canary, operations, split, step};

/// Needs no session, or is about the session itself (tests in `sessions`).
const PUBLIC: &[&str] = &[
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /instance",
    "POST /session",
    "DELETE /session",
];
const SESSION: &[&str] = &[
    "GET /session",
    "POST /session/totp",
    "POST /session/recovery",
    "POST /session/enrolment",
    "POST /session/enrolment/confirm",
    "POST /session/password",
    "PUT /session/membership",
];

/// Columns of [`TABLE`]. The case is one where 青葉包括 edits, 青葉基幹 reads masked and 青葉サポート
/// has no part; the last two accounts belong to another municipality.
const ACCOUNTS: [&str; 14] = [
    "aoba-coord",
    "aoba-coord2",
    "aoba-staff",
    "aoba-approver",
    "aoba-houkatsu",
    "aoba-houkatsu-mgr",
    "aoba-viewer",
    "aoba-masked",
    "aoba-outside",
    "aoba-admin",
    "aoba-auditor",
    "aoba-stat",
    "shiranami-coord",
    "shiranami-admin",
];

type Row = (&'static str, Option<&'static str>, [u16; 14]);

/// Operation, body, and the status each account is to get. Where somebody is allowed but the body
/// asks for nothing that can be done, 404, 409 or 422 is what they see. 404 instead of 403 wherever
/// existence is secret.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // coord coord2 staff approver agency agency_mgr viewer masked outside sysadmin auditor stat | other municipality
    ("GET /accounts", None, [200, 403, 403, 403, 403, 200, 403, 403, 403, 200, 403, 403, 200, 200]),
    ("POST /accounts", Some(r#"{"login_id": "x", "name": ""}"#), [422, 403, 403, 403, 403, 422, 403, 403, 403, 422, 403, 403, 422, 422]),
    ("GET /accounts/{id}", None, [200, 403, 403, 403, 403, 200, 403, 403, 403, 200, 403, 403, 404, 404]),
    ("PATCH /accounts/{id}", Some(r#"{"version": -1, "name": "兼務 五郎"}"#), [404, 403, 403, 403, 403, 404, 403, 403, 403, 409, 403, 403, 404, 404]),
    ("POST /accounts/{id}/reactivate", None, [404, 403, 403, 403, 403, 404, 403, 403, 403, 204, 403, 403, 404, 404]),
    ("POST /accounts/{id}/reset-password", None, [404, 403, 403, 403, 403, 404, 403, 403, 403, 200, 403, 403, 404, 404]),
    ("POST /accounts/{id}/reset-second-factor", None, [404, 403, 403, 403, 403, 404, 403, 403, 403, 204, 403, 403, 404, 404]),
    ("GET /agencies", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST /agencies", Some(r#"{"name": "", "class": "agency", "org_type": "houkatsu_c"}"#), [403, 403, 403, 403, 403, 403, 403, 403, 403, 422, 403, 403, 403, 422]),
    ("PATCH /agencies/{id}", Some(r#"{"version": -1, "name": "青葉生活サポート"}"#), [404, 403, 403, 403, 403, 404, 403, 403, 403, 409, 403, 403, 404, 404]),
    ("POST /agencies/{id}/reactivate", None, [403, 403, 403, 403, 403, 403, 403, 403, 403, 204, 403, 403, 403, 404]),
    ("GET /audit", None, [403, 403, 403, 403, 403, 403, 403, 403, 403, 200, 200, 403, 403, 200]),
    ("GET /audit/{seq}/terms", None, [403, 403, 403, 403, 403, 403, 403, 403, 403, 404, 404, 403, 403, 404]),
    ("GET /cases", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /cases/search", Some(r#"{"q": "ひわ"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /cases/search", Some(r#"{"q": "鶸谷"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /cases", Some(r#"{"received_on": "2999-01-01", "clients": []}"#), [422, 422, 403, 403, 422, 422, 403, 422, 422, 403, 403, 403, 422, 403]),
    ("GET /cases/{id}", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("PATCH /cases/{id}", Some(r#"{"version": -1}"#), [409, 409, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/access-log", None, [200, 200, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/consents", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/consents", Some(r#"{"person_id": "nobody", "status": "full", "obtained_on": "2026-10-01"}"#), [404, 404, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/course", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/requests", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/requests", Some(r#"{"kind": "handover_lead", "to_agency_id": "nobody", "words": "お願いします。"}"#), [422, 422, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/disclosures", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("PUT /cases/{id}/disclosures", Some(r#"{"entries": []}"#), [200, 200, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/members", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/members", Some(r#"{"agency_id": "nobody"}"#), [422, 422, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("DELETE /cases/{id}/members/{agency_id}", None, [404, 404, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/network.png", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/network.svg", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/network/layout", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/passed-on", None, [200, 200, 200, 200, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/reminders", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /cases/{id}/persons", Some(r#"{"person_id": "nobody", "role": "relative"}"#), [404, 404, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/progress-records", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/progress-records", Some(r#"{"performed_on": "2026-10-20", "method": "visit", "content": "訪問した。"}"#), [201, 201, 201, 201, 201, 201, 403, 201, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/progress-records/{record_id}/amendments", Some(r#"{"reason": "訂正", "content": "訪問した。"}"#), [201, 201, 403, 403, 201, 201, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/progress-records/search", Some(r#"{"words": "訪問"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/progress-entry", None, [200, 200, 200, 200, 200, 200, 403, 200, 404, 404, 404, 404, 404, 404]),
    ("PUT /cases/{id}/progress-drafts", Some(r#"{"version": -1, "content": {"content": "訪問"}}"#), [409, 409, 409, 409, 409, 409, 403, 409, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/progress-drafts/{draft_id}/take", Some(r#"{"version": 1}"#), [404, 404, 404, 404, 404, 404, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("DELETE /cases/{id}/progress-drafts/{draft_id}", None, [404, 404, 404, 404, 404, 404, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/attachments", None, [400, 400, 400, 400, 400, 400, 403, 400, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/attachments/{attachment_id}", None, [200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404, 404]),
    ("DELETE /cases/{id}/attachments/{attachment_id}", None, [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]), // what an entry has goes by amendment
    ("POST /progress-templates", Some(r#"{"name": "", "content": "訪問"}"#), [422, 422, 422, 422, 422, 422, 403, 422, 422, 403, 403, 403, 422, 403]),
    ("DELETE /progress-templates/{id}", None, [404, 404, 404, 404, 404, 404, 403, 404, 404, 403, 403, 403, 404, 403]),
    ("GET /cases/{id}/similar", None, [200, 200, 200, 200, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("POST /cases/{id}/sheets", Some(r#"{"form": "meeting"}"#), [201, 201, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/stage", Some(r#"{"stage": "assessing", "version": -1}"#), [409, 409, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/transcripts", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("POST /cases/{id}/transcripts", Some(r#"{"text": ""}"#), [422, 422, 403, 403, 422, 422, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /cases/{id}/view-as/{agency_id}", None, [200, 200, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /colleagues", None, [200, 200, 200, 200, 200, 200, 403, 200, 200, 403, 403, 403, 200, 403]),
    ("GET /process", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET /requests", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("GET /requests/{id}", None, [200, 200, 200, 200, 404, 404, 404, 404, 200, 404, 404, 404, 404, 404]), // 青葉サポート is asked
    ("POST /requests/{id}/answer", Some(r#"{"act": "decline"}"#), [403, 403, 403, 403, 404, 404, 404, 404, 422, 404, 404, 404, 404, 404]),
    ("POST /requests/{id}/seen", None, [204, 204, 403, 403, 404, 404, 404, 404, 403, 404, 404, 404, 404, 404]),
    ("POST /documents", Some(r#"{"kind": "note"}"#), [201, 201, 201, 201, 201, 201, 403, 201, 201, 403, 403, 403, 201, 403]),
    ("POST /documents/{id}/channels", None, [201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201, 201]), // who has no right hears the refusal in it
    ("DELETE /documents/{id}/channels/{channel}", None, [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/channels/{channel}/events", None, [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/channels/{channel}/frames", None, [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/channels/{channel}/frames", None, [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/carry", None, [200, 200, 403, 403, 200, 200, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/carry", Some(r#"{"take": []}"#), [200, 200, 403, 403, 200, 200, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/finalise", None, [422, 422, 403, 403, 422, 422, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/comparison", None, [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/history", None, [200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/masks/finish", Some(r#"{}"#), [200, 200, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/masks/preview", None, [200, 200, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/masks/scan", None, [200, 200, 403, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/projection", None, [200, 200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/reopen", None, [409, 409, 403, 403, 409, 409, 403, 403, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/restore", Some(r#"{"version": "1-999999"}"#), [404, 404, 403, 403, 404, 404, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /documents/{id}/versions", None, [200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404, 404]),
    ("POST /documents/{id}/versions", Some(r#"{"label": ""}"#), [422, 422, 403, 403, 422, 422, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /erasures", None, [200, 403, 200, 200, 403, 403, 403, 403, 403, 200, 200, 403, 200, 200]),
    ("POST /erasures", Some(r#"{"scope": "past", "ground": "mistaken_entry", "document_id": "nobody", "reason": "誤入力"}"#), [404, 403, 404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("POST /erasures/{id}/approve", None, [404, 403, 403, 404, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("POST /erasures/{id}/reject", None, [404, 403, 403, 404, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("GET /exchange-mappings", None, [200, 200, 403, 403, 403, 403, 403, 403, 403, 200, 403, 403, 200, 200]),
    ("POST /exchange-mappings", Some(r#"{"table": "person", "name": "", "mapping": {}}"#), [422, 403, 403, 403, 403, 403, 403, 403, 403, 422, 403, 403, 422, 422]),
    ("DELETE /exchange-mappings/{id}", None, [404, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403, 403, 404, 404]),
    ("GET /exchange-tables", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST /exports", Some(r#"{"tables": []}"#), [422, 422, 422, 422, 403, 403, 403, 403, 403, 403, 403, 403, 422, 403]),
    ("GET /forms", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET /forms/{id}", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET /imports", None, [200, 200, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("POST /imports", None, [422, 422, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 422, 403]),
    ("GET /imports/{id}", None, [404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("DELETE /imports/{id}", None, [404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("POST /imports/{id}/apply", Some(r#"{}"#), [404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("PUT /imports/{id}/choices", Some(r#"{"mapping": {}}"#), [404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("GET /imports/{id}/errors.csv", None, [404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("GET /imports/{id}/rows", None, [404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("GET /disclosure-presets", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 200, 200]),
    ("POST /disclosure-presets", Some(r#"{"label": "", "description": "", "rows": []}"#), [403, 403, 422, 422, 403, 403, 403, 403, 403, 422, 403, 403, 403, 422]),
    ("PATCH /disclosure-presets/{id}", Some(r#"{"version": 1, "label": "学校", "description": "学校に", "rows": [{"org_types": [], "levels": {"intake": "read"}}]}"#), [403, 403, 404, 404, 403, 403, 403, 403, 403, 404, 403, 403, 403, 404]),
    ("DELETE /disclosure-presets/{id}", None, [403, 403, 404, 404, 403, 403, 403, 403, 403, 404, 403, 403, 403, 404]),
    ("GET /local-forms", None, [403, 403, 200, 200, 403, 403, 403, 403, 403, 200, 403, 403, 403, 200]),
    ("PUT /local-forms/draft", Some(r#"{"revision": 999999, "extension": {}}"#), [403, 403, 409, 409, 403, 403, 403, 403, 403, 409, 403, 403, 403, 409]),
    ("DELETE /local-forms/draft", None, [403, 403, 200, 200, 403, 403, 403, 403, 403, 200, 403, 403, 403, 200]),
    ("GET /local-forms/draft/forms/{id}", None, [403, 403, 200, 200, 403, 403, 403, 403, 403, 200, 403, 403, 403, 200]),
    ("POST /local-forms/publications", Some(r#"{"revision": 999999, "note": "試験"}"#), [403, 403, 409, 409, 403, 403, 403, 403, 403, 409, 403, 403, 403, 409]),
    ("GET /mask-reviews", None, [200, 200, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("GET /memberships", None, [200, 403, 403, 403, 403, 200, 403, 403, 403, 200, 403, 403, 200, 200]),
    ("POST /memberships", Some(r#"{"account_id": "nobody", "agency_id": "nobody", "role": "viewer"}"#), [404, 403, 403, 403, 403, 404, 403, 403, 403, 404, 403, 403, 404, 404]),
    ("PATCH /memberships/{id}", Some(r#"{"version": -1}"#), [409, 403, 403, 403, 403, 404, 403, 403, 403, 409, 403, 403, 404, 404]),
    ("POST /memberships/{id}/reactivate", None, [204, 403, 403, 403, 403, 404, 403, 403, 403, 204, 403, 403, 404, 404]),
    ("POST /persons/search", Some(r#"{"q": "ひわ"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /persons/alike", Some(r#"{"name": "鶸谷"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /persons", Some(r#"{"name": "試験 一人", "kana": "しけん ひとり"}"#), [201, 201, 403, 403, 201, 201, 403, 201, 201, 403, 403, 403, 201, 403]),
    ("GET /persons/{id}", None, [200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404, 404]),
    ("PATCH /persons/{id}", Some(r#"{"version": -1}"#), [409, 409, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("POST /persons/{id}/households", Some(r#"{"kind": "actual", "household_id": "nobody"}"#), [404, 404, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("PATCH /persons/{id}/households/{stay_id}", Some(r#"{"version": 1, "set": {"to": "2026-11-01"}}"#), [404, 404, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("DELETE /persons/{id}/households/{stay_id}", None, [404, 404, 403, 403, 403, 403, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("GET /persons/duplicates", None, [200, 403, 200, 200, 403, 403, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("GET /persons/{id}/merge-preview/{other}", None, [404, 403, 404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("GET /persons/{id}/merges", None, [200, 403, 200, 200, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("POST /persons/{id}/merges", Some(r#"{"other": "nobody", "version": 1, "other_version": 1, "reason": "本人に確認した"}"#), [404, 403, 404, 404, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("POST /persons/{id}/merges/{merge_id}/undo", Some(r#"{"version": -1}"#), [409, 403, 409, 409, 403, 403, 403, 403, 403, 403, 403, 403, 404, 403]),
    ("POST /postal-codes/search", Some(r#"{"code": "105-0011"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST /search", Some(r#"{"q": "訪問"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("DELETE /search/recent", None, [204, 204, 204, 204, 204, 204, 204, 204, 204, 403, 403, 403, 204, 403]),
    ("GET /search/saved", None, [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /search/saved", Some(r#"{"name": "", "words": "訪問"}"#), [422, 422, 422, 422, 422, 422, 422, 422, 422, 403, 403, 403, 422, 403]),
    ("DELETE /search/saved/{id}", None, [404, 404, 404, 404, 404, 404, 404, 404, 404, 403, 403, 403, 404, 403]),
    ("POST /search/suggestions", Some(r#"{"q": "ひわ"}"#), [200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403]),
    ("POST /similar", Some(r#"{"text": ""}"#), [422, 422, 422, 422, 403, 403, 403, 403, 403, 403, 403, 403, 422, 403]),
    ("GET /statistics/new-consultations", None, [200, 200, 200, 200, 403, 403, 403, 403, 403, 200, 403, 200, 200, 200]),
    ("GET /statistics/new-consultations.csv", None, [200, 200, 200, 200, 403, 403, 403, 403, 403, 200, 403, 200, 200, 200]),
    ("GET /statistics/new-consultations/chart.png", None, [200, 200, 200, 200, 403, 403, 403, 403, 403, 200, 403, 200, 200, 200]),
    ("GET /statistics/new-consultations/chart.svg", None, [200, 200, 200, 200, 403, 403, 403, 403, 403, 200, 403, 200, 200, 200]),
    ("GET /transcripts/{id}", None, [200, 200, 200, 200, 200, 200, 200, 404, 404, 404, 404, 404, 404, 404]),
    ("PATCH /transcripts/{id}", Some(r#"{"speakers": {}}"#), [200, 200, 403, 403, 200, 200, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("POST /transcripts/{id}/acceptances", Some(r#"{"fields": ["intake.nothing"]}"#), [200, 200, 403, 403, 200, 200, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("DELETE /transcripts/{id}/acceptances/{field}", None, [404, 404, 403, 403, 404, 404, 403, 404, 404, 404, 404, 404, 404, 404]),
    ("POST /accounts/{id}/stop", None, [404, 403, 403, 403, 403, 404, 403, 403, 403, 204, 403, 403, 404, 404]),
    ("POST /agencies/{id}/stop", None, [403, 403, 403, 403, 403, 403, 403, 403, 403, 204, 403, 403, 403, 404]),
    ("POST /memberships/{id}/stop", None, [204, 403, 403, 403, 403, 404, 403, 403, 403, 204, 403, 403, 404, 404]),
];

/// What the operations of the table are tried on.
struct Subjects {
    by_folder: BTreeMap<&'static str, String>,
    record: String,
    attachment: String,
    agency: String,
}

impl Subjects {
    async fn find(world: &World) -> Result<Self> {
        let (coordinator, admin) = (world.as_user("aoba-coord")?, world.as_user("aoba-admin")?);
        let case = world.case(OPEN_CASE).await?;
        let records = coordinator
            .get(&format!("/cases/{}/progress-records", case.id))
            .await?
            .ok()?;
        let attached = coordinator
            .upload(
                &format!("/cases/{}/attachments", case.id),
                "鶸谷.txt",
                "鶸谷です。".into(),
            )
            .await?
            .ok()?;
        let entry = json!({"performed_on": "2026-10-20", "method": "visit", "content": "訪問した。", "attachments": [attached["id"]]});
        coordinator
            .post(&format!("/cases/{}/progress-records", case.id), entry)
            .await?
            .ok()?;
        let transcript = coordinator
            .post(
                &format!("/cases/{}/transcripts", case.id),
                json!({"text": "相談員：今日はどうされましたか。\n本人：鶸谷です。眠れません。"}),
            )
            .await?
            .ok()?;
        let account = world.account("aoba-two-hats").await?;
        let memberships = admin.get("/memberships").await?.ok()?;
        let membership = memberships["items"]
            .as_array()
            .context("memberships")?
            .iter()
            .find(|one| {
                one.to_string().contains(&account)
                    && one.to_string().contains("青葉市 多機関協働室")
            })
            .context("membership")?;
        let spare = admin
            .post(
                "/agencies",
                json!({"name": "予備の機関", "class": "agency", "org_type": "jiritsu"}),
            )
            .await?
            .ok()?;
        let asked = coordinator
            .post(
                &format!("/cases/{}/requests", case.id),
                json!({
                    "kind": "refer", "to_agency_id": world.agency("青葉生活サポート").await?, "words": "訪問をお願いします。",
                    "confirmation": {"basis": "masked", "reason": "個人を特定しない形で相談する"},
                }),
            )
            .await?
            .ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("id");
        let by_folder = BTreeMap::from([
            ("accounts", account.clone()),
            ("agencies", text(&spare["id"])?),
            ("memberships", text(&membership["id"])?),
            ("cases", case.id.clone()),
            ("documents", case.document("assessment").to_owned()),
            ("persons", text(&case.persons[0]["person_id"])?),
            ("transcripts", text(&transcript["id"])?),
            ("requests", text(&asked["id"])?),
            ("forms", "intake_assessment".to_owned()),
        ]);
        Ok(Self {
            by_folder,
            record: text(&records["items"][0]["id"])?,
            attachment: text(&attached["id"])?,
            agency: world.agency("青葉生活サポート").await?,
        })
    }

    fn path(&self, template: &str) -> String {
        let folder = template.split('/').nth(1).unwrap_or_default();
        let id = self.by_folder.get(folder).map_or("x", |id| id.as_str());
        let path = template
            .replace("{record_id}", &self.record)
            .replace("{attachment_id}", &self.attachment)
            .replace("{draft_id}", "x")
            .replace("{agency_id}", &self.agency)
            .replace("{channel}", "x")
            .replace("{other}", "nobody")
            .replace("{merge_id}", "nothing")
            .replace("{stay_id}", "x")
            .replace("{seq}", "999999")
            .replace("{field}", "assessment.summary")
            .replace("{id}", id);
        match template {
            "/documents/{id}/comparison" => format!("{path}?from=1-999999"),
            "/local-forms/draft/forms/{id}" => "/local-forms/draft/forms/plan".to_owned(),
            "/documents/{id}/masks/preview" => format!("{path}?agency_id={}", self.agency),
            "/persons/{id}/households/{stay_id}" => format!("{path}?version=1"),
            _ if folder == "statistics" => format!("{path}?from=2026-04&to=2026-11"),
            _ => path,
        }
    }
}

async fn every_operation_is_in_the_table(client: &Client) -> Result<()> {
    let described = operations(client).await?;
    let known: BTreeSet<String> = TABLE
        .iter()
        .map(|row| row.0)
        .chain(PUBLIC.iter().copied())
        .chain(SESSION.iter().copied())
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = described.difference(&known).collect();
    ensure!(
        missing.is_empty(),
        "say in the table who may call {missing:?}"
    );
    let gone: Vec<_> = known.difference(&described).collect();
    ensure!(gone.is_empty(), "not described any more: {gone:?}");
    Ok(())
}

async fn nobody_gets_in_without_signing_in(world: &World, subjects: &Subjects) -> Result<()> {
    let nobody = Client::anonymous(&world.server.url)?;
    let forged = Client::with_token(&world.server.url, "mst_00000000000000000000000000000000");
    for operation in operations(&nobody).await? {
        if PUBLIC.contains(&operation.as_str()) {
            continue;
        }
        let (method, template) = split(&operation)?;
        let body = TABLE
            .iter()
            .find(|row| row.0 == operation)
            .and_then(|row| row.1)
            .map(serde_json::from_str)
            .transpose()?;
        for client in [&nobody, &forged] {
            let reply = client
                .request(method.clone(), &subjects.path(template), body.clone())
                .await?;
            ensure!(
                reply.status == 401,
                "{operation} without signing in: {} {}",
                reply.status,
                reply.text()
            );
            no_canary(&operation, &reply.text())?;
        }
    }
    Ok(())
}

async fn everybody_gets_what_the_table_says(world: &World, subjects: &Subjects) -> Result<()> {
    let mut wrong = Vec::new();
    // What ends an account, an agency or a membership runs last.
    let last = |row: &&Row| row.0.ends_with("/stop") || row.0.contains("/reset-");
    for (operation, body, expected) in TABLE
        .iter()
        .filter(|row| !last(row))
        .chain(TABLE.iter().filter(last))
    {
        let (method, template) = split(operation)?;
        let body: Option<Value> = body.map(serde_json::from_str).transpose()?;
        let path = subjects.path(template);
        let clients: Vec<Client> = ACCOUNTS
            .iter()
            .map(|login_id| world.as_user(login_id))
            .collect::<Result<_>>()?;
        let requests = clients
            .iter()
            .map(|client| client.request(method.clone(), &path, body.clone()));
        // Reads all at once; what changes something in the order of the columns.
        let replies = if method == Method::GET {
            join_all(requests).await
        } else {
            let mut replies = Vec::new();
            for request in requests {
                replies.push(request.await);
            }
            replies
        };
        for ((login_id, expected), reply) in ACCOUNTS.iter().zip(expected).zip(replies) {
            let reply = reply?;
            if reply.status != *expected {
                wrong.push(format!(
                    "{operation} as {login_id}: {} {}, expected {expected}",
                    reply.status,
                    reply.code()
                ));
            }
            let stranger = [
                "aoba-outside",
                "aoba-admin",
                "aoba-auditor",
                "aoba-stat",
                "shiranami-coord",
                "shiranami-admin",
            ]
            .contains(login_id);
            if !reply.status.is_success() || stranger {
                no_canary(&format!("{operation} as {login_id}"), &reply.text())?;
            }
        }
    }
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}

/// The lists of another municipality hold its own things and nothing of this one.
async fn municipalities_do_not_meet(world: &World) -> Result<()> {
    let (coordinator, admin) = (
        world.as_user("shiranami-coord")?,
        world.as_user("shiranami-admin")?,
    );
    let cases = coordinator.get("/cases").await?.ok()?;
    let numbers: Vec<_> = cases["items"]
        .as_array()
        .context("items")?
        .iter()
        .map(|case| case["case_no"].clone())
        .collect();
    ensure!(numbers == [json!("2026-0009")], "{numbers:?}");
    for path in ["/accounts", "/agencies", "/memberships", "/audit"] {
        let text = admin.get(path).await?.text();
        ensure!(
            !text.contains("青葉"),
            "{path} of 白波町 holds 青葉市: {text}"
        );
    }
    let found = coordinator
        .post("/persons/search", json!({"q": "金糸雀"}))
        .await?
        .ok()?;
    ensure!(
        found["items"] == json!([]),
        "金糸雀 found from 白波町: {found}"
    );
    Ok(())
}

/// 住所秘匿: agencies that may not know the address do not get it, though they are members.
async fn a_protected_address_stays_with_its_agency(world: &World) -> Result<()> {
    let case = world.case(PROTECTED_CASE).await?;
    let protected = case
        .persons
        .iter()
        .find(|person| person["address_confidential"] == true)
        .context("protected")?;
    let id = protected["person_id"].as_str().context("id")?;
    let allowed = world
        .as_user("aoba-coord")?
        .get(&format!("/persons/{id}"))
        .await?;
    ensure!(
        allowed.text().contains("秘匿町"),
        "the allowed agency sees it: {}",
        allowed.text()
    );
    for login_id in [
        "aoba-staff",
        "aoba-houkatsu",
        "aoba-viewer",
        "aoba-masked",
        "aoba-outside",
    ] {
        let client = world.as_user(login_id)?;
        let found = client
            .post("/persons/search", json!({"q": "隠岐"}))
            .await?
            .text();
        ensure!(
            !found.contains("秘匿町") && !found.contains("0900-90-9999"),
            "search as {login_id}: {found}"
        );
        for path in [format!("/persons/{id}"), format!("/cases/{}", case.id)] {
            let text = client.get(&path).await?.text();
            ensure!(
                !text.contains("秘匿町") && !text.contains("0900-90-9999"),
                "{path} as {login_id}: {text}"
            );
        }
    }
    Ok(())
}

/// Filters of the audit log: ids of elsewhere find nothing, what is no id is refused and not written
/// down; events say which section they are about.
async fn the_log_is_asked_for_ids(world: &World) -> Result<()> {
    let (auditor, elsewhere) = (
        world.as_user("aoba-auditor")?,
        world.as_user("shiranami-admin")?,
    );
    let case = world.case(OPEN_CASE).await?.id;
    let account = world.account("aoba-coord").await?;
    for filter in [format!("account_id={account}"), format!("case_id={case}")] {
        let path = format!("/audit?{filter}");
        let own = auditor.get(&path).await?.ok()?;
        ensure!(
            own["items"]
                .as_array()
                .is_some_and(|items| !items.is_empty()),
            "{path}: {own}"
        );
        let foreign = elsewhere.get(&path).await?;
        ensure!(
            foreign.status == 200
                && foreign.json["items"] == json!([])
                && foreign.json["next_cursor"].is_null(),
            "{path}: {} {}",
            foreign.status,
            foreign.text()
        );
    }
    for (field, value) in [
        ("account_id", "%E9%87%91%E7%B3%B8%E9%9B%80"),
        ("case_id", "%27%20OR%201=1"),
        ("case_id", "2026-0002"),
        ("action", "%E9%87%91%E7%B3%B8%E9%9B%80"),
        ("cursor", "abc"),
    ] {
        let refused = auditor.get(&format!("/audit?{field}={value}")).await?;
        ensure!(
            refused.status == 422 && refused.json["fields"][0]["path"] == field,
            "{field}={value}: {} {}",
            refused.status,
            refused.text()
        );
        no_canary(field, &refused.text())?;
    }
    let all = auditor.get("/audit?limit=200").await?.text();
    no_canary("the log", &all)?;

    let coordinator = world.as_user("aoba-coord")?;
    let sheet = world
        .case(OPEN_CASE)
        .await?
        .document("assessment")
        .to_owned();
    let history = coordinator
        .get(&format!("/documents/{sheet}/history"))
        .await?
        .ok()?;
    ensure!(history["section"] == "assessment", "{history}");
    Peer::join(&world.server.url, &sheet, &world.token("aoba-coord")?).await?;
    let log = coordinator
        .get(&format!("/cases/{case}/access-log"))
        .await?
        .ok()?;
    let items = log["items"].as_array().context("items")?;
    for (action, section) in [
        ("document.open", "assessment"),
        ("progress.list", "progress"),
    ] {
        ensure!(
            items
                .iter()
                .any(|event| event["action"] == action && event["section"] == section),
            "{action} in {section} is not in {log}"
        );
    }
    Ok(())
}

/// `null` empties a field of an account, a missing one stays.
async fn a_field_can_be_emptied(world: &World) -> Result<()> {
    let admin = world.as_user("aoba-admin")?;
    let id = world.account("aoba-stat").await?;
    let path = format!("/accounts/{id}");
    let before = admin.get(&path).await?.ok()?;
    ensure!(
        !before["kana"].is_null() && !before["email"].is_null(),
        "{before}"
    );
    let changed = admin
        .patch(&path, json!({"version": before["version"], "email": null}))
        .await?
        .ok()?;
    ensure!(
        changed["email"].is_null() && changed["kana"] == before["kana"],
        "{changed}"
    );
    let changed = admin
        .patch(
            &path,
            json!({"version": changed["version"], "kana": " ", "email": "stat@aoba.example"}),
        )
        .await?
        .ok()?;
    ensure!(
        changed["kana"].is_null() && changed["email"] == "stat@aoba.example",
        "{changed}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn authorisation() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        let subjects = Subjects::find(&world).await?;
        let nobody = Client::anonymous(&world.server.url)?;
        step(
            "every operation is in the table",
            every_operation_is_in_the_table(&nobody),
        )
        .await?;
        step(
            "without signing in",
            nobody_gets_in_without_signing_in(&world, &subjects),
        )
        .await?;
        step("municipalities", municipalities_do_not_meet(&world)).await?;
        step("audit filters", the_log_is_asked_for_ids(&world)).await?;
        step("emptied fields", a_field_can_be_emptied(&world)).await?;
        step(
            "protected address",
            a_protected_address_stays_with_its_agency(&world),
        )
        .await?;
        step(
            "table",
            everybody_gets_what_the_table_says(&world, &subjects),
        )
        .await
    })
    .await;
}
