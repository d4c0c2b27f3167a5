//! Full-text search: what somebody may see is found in every way it may be written; what they may not
//! see is not found, not counted, not suggested and not marked, whatever they type.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use musubi_tests::each_database;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    erasure::no_raw_bytes,
    world::{EXCLUDED_CASE, OPEN_CASE, PROTECTED_CASE, World, no_canary, step},
};

/// Found nowhere.
const NONSENSE: &str = "鼈甲飴魍魎";

async fn search(world: &World, login_id: &str, body: Value) -> Result<Value> {
    world.as_user(login_id)?.post("/search", body).await?.ok()
}

pub async fn words(world: &World, login_id: &str, text: &str) -> Result<Value> {
    search(world, login_id, json!({ "q": text })).await
}

/// Hits of a kind, as (number of the case, whole hit).
fn hits<'a>(answer: &'a Value, kind: &str) -> Vec<&'a Value> {
    answer["hits"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|hit| hit["kind"] == kind)
        .collect()
}

fn marked(hit: &Value) -> Vec<&str> {
    hit["snippets"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|snippet| snippet["pieces"].as_array().into_iter().flatten())
        .filter(|piece| piece["hit"] == true)
        .filter_map(|piece| piece["text"].as_str())
        .collect()
}

/// Waits until a search finds something of a kind; returns the answer and how long it took.
pub async fn until(
    world: &World,
    login_id: &str,
    text: &str,
    kind: &str,
) -> Result<(Value, Duration)> {
    let started = Instant::now();
    loop {
        let reply = world
            .as_user(login_id)?
            .post("/search", json!({ "q": text }))
            .await?;
        if reply.status == 200 && !hits(&reply.json, kind).is_empty() {
            return Ok((reply.json, started.elapsed()));
        }
        ensure!(
            started.elapsed() < Duration::from_secs(90),
            "{login_id} does not find {text} as {kind}: {}",
            reply.text()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn what_may_be_seen_is_found(world: &World) -> Result<()> {
    until(world, "aoba-coord", "水車小屋", "record").await?;
    until(world, "aoba-coord", "水車小屋", "sheet").await?;
    until(world, "aoba-coord", "年金", "sheet").await?;
    for (text, kind, number, mark) in [
        ("鵲橋渡", "person", EXCLUDED_CASE, ""),
        ("かささぎばし", "person", EXCLUDED_CASE, ""),
        ("カササギバシ　わたる", "person", EXCLUDED_CASE, ""),
        ("0900927777", "person", EXCLUDED_CASE, ""),
        ("鵲橋町7丁目", "person", EXCLUDED_CASE, "鵲橋町"),
        ("鵲橋", "case", EXCLUDED_CASE, ""),
        (EXCLUDED_CASE, "case", EXCLUDED_CASE, "2026"),
        ("入院を望まない", "sheet", EXCLUDED_CASE, "入院を望まない"),
        ("めんだん", "record", EXCLUDED_CASE, "面談"),
        ("鵲橋 家賃", "sheet", EXCLUDED_CASE, "家賃"),
        (
            "\"水車小屋で面談\"",
            "record",
            EXCLUDED_CASE,
            "水車小屋で面談",
        ),
        ("眠れない", "sheet", EXCLUDED_CASE, "眠れ"),
        ("孤立", "sheet", EXCLUDED_CASE, "孤立"),
        ("ひわたに", "person", OPEN_CASE, ""),
        ("秘匿町", "person", PROTECTED_CASE, "秘匿町"),
    ] {
        let answer = words(world, "aoba-coord", text).await?;
        let found = hits(&answer, kind);
        let hit = found
            .iter()
            .find(|hit| hit["case"]["case_no"] == number)
            .with_context(|| format!("{text} as {kind}: {answer}"))?;
        ensure!(
            mark.is_empty() || marked(hit).iter().any(|text| text.contains(mark)),
            "{text}: {hit}"
        );
        ensure!(
            answer["notice"].is_null() && answer["total"].as_u64() >= Some(1),
            "{answer}"
        );
    }
    // All the words, and in that order where they are quoted.
    for text in ["水車小屋 玄関", "\"面談で水車小屋\"", "鵲橋 年金", NONSENSE] {
        let answer = words(world, "aoba-coord", text).await?;
        ensure!(
            answer["total"] == 0 && answer["hits"] == json!([]),
            "{text}: {answer}"
        );
    }
    Ok(())
}

async fn filters_order_and_pages(world: &World) -> Result<()> {
    let ask = |more: Value| {
        let mut body = json!({ "q": "面談" });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        search(world, "aoba-coord", body)
    };
    let all = ask(json!({ "kinds": ["record"], "sort": "newest" })).await?;
    let days: Vec<&str> = hits(&all, "record")
        .iter()
        .filter_map(|hit| hit["day"].as_str())
        .collect();
    ensure!(days.len() >= 2 && days.is_sorted_by(|a, b| a >= b), "{all}");
    let page = ask(json!({ "kinds": ["record"], "sort": "newest", "limit": 1 })).await?;
    ensure!(
        page["total"] == all["total"] && page["hits"][0]["id"] == all["hits"][0]["id"],
        "{page}"
    );
    let cursor = page["next_cursor"].clone();
    let next =
        ask(json!({ "kinds": ["record"], "sort": "newest", "limit": 1, "cursor": cursor })).await?;
    ensure!(next["hits"][0]["id"] == all["hits"][1]["id"], "{next}");
    let august =
        ask(json!({ "kinds": ["record"], "from": "2026-08-01", "to": "2026-08-31" })).await?;
    ensure!(
        hits(&august, "record")
            .iter()
            .all(|hit| hit["case"]["case_no"] == EXCLUDED_CASE)
            && august["total"] != 0,
        "{august}"
    );
    for (filter, some) in [
        (json!({ "stages": ["assessing"] }), true),
        (json!({ "stages": ["closed"] }), false),
        (json!({ "state": "open" }), true),
        (json!({ "state": "closed" }), false),
        (
            json!({ "agency": world.agency("青葉市 多機関協働室").await? }),
            true,
        ),
        (
            json!({ "agency": world.agency("青葉生活サポート").await? }),
            false,
        ),
    ] {
        let answer = ask(filter.clone()).await?;
        ensure!((answer["total"] != 0) == some, "{filter}: {answer}");
    }
    Ok(())
}

/// Whoever types these gets what whoever types nonsense gets.
pub async fn as_if_it_were_not_there(world: &World, login_id: &str, typed: &[&str]) -> Result<()> {
    let nothing = words(world, login_id, NONSENSE).await?;
    ensure!(nothing["total"] == 0, "{nothing}");
    for text in typed {
        let answer = words(world, login_id, text).await?;
        ensure!(answer == nothing, "{login_id} searched {text}: {answer}");
        let suggested = world
            .as_user(login_id)?
            .post("/search/suggestions", json!({ "q": text }))
            .await?
            .ok()?;
        ensure!(
            suggested["persons"] == json!([]) && suggested["cases"] == json!([]),
            "{login_id} typed {text}: {suggested}"
        );
    }
    Ok(())
}

async fn what_may_not_be_seen_is_not_there(world: &World) -> Result<()> {
    let excluded = [
        EXCLUDED_CASE,
        "鵲橋",
        "鵲橋渡",
        "かささぎばし",
        "カササギ",
        "わたる",
        "水車小屋",
        "すいしゃ",
        "みずぐるま",
        "水車",
        "\"鵲橋渡さんと水車小屋\"",
        "入院を望まない",
        "尾長",
        "おなが",
        "0900-92-7777",
        "0900927777",
        "鵲橋町",
        "1949-07-07",
        "鵲橋 家賃",
    ];
    for login_id in [
        "aoba-coord2",
        "aoba-houkatsu",
        "aoba-houkatsu-mgr",
        "aoba-viewer",
    ] {
        as_if_it_were_not_there(world, login_id, &excluded).await?;
    }
    let protected = [
        "金糸雀太郎",
        "金糸雀 太郎",
        "かなりあ",
        "カナリア",
        "雀太",
        "花見川町",
        "花見川",
        "はなみがわ",
        "0900-90-1234",
        "隠岐",
        "隠岐避子",
        "おきさけこ",
        "秘匿町",
        "0900-90-9999",
        "\"金糸雀太郎さん\"",
        "金糸雀 年金",
        "鶸谷",
        "鶸谷実里",
        "ひわたに",
        "みのり",
        "鶸谷町",
        "1948-04-11",
    ];
    // Masked, without a part, and from elsewhere.
    as_if_it_were_not_there(
        world,
        "aoba-masked",
        &[
            "隠岐避子",
            "おきさけこ",
            "秘匿町",
            "0900-90-9999",
            "花見川町",
            "0900-90-1234",
        ],
    )
    .await?;
    for login_id in ["aoba-outside", "shiranami-coord"] {
        as_if_it_were_not_there(world, login_id, &protected).await?;
        as_if_it_were_not_there(world, login_id, &excluded).await?;
    }
    as_if_it_were_not_there(world, "aoba-outside", &["年金", "玄関", "面談", "訪問"]).await?;
    // An address that is kept from an agency, and from the department too.
    for login_id in ["aoba-houkatsu", "aoba-staff"] {
        as_if_it_were_not_there(
            world,
            login_id,
            &["秘匿町", "ひとくちょう", "0900-90-9999", "0900909999"],
        )
        .await?;
    }
    Ok(())
}

async fn masked_readers_search_masked_text(world: &World) -> Result<()> {
    let client = world.as_user("aoba-masked")?;
    for (text, kind) in [("年金", "sheet"), ("玄関", "record")] {
        let (answer, _) = until(world, "aoba-masked", text, kind).await?;
        for hit in hits(&answer, kind) {
            ensure!(hit["masked"] == true, "{hit}");
            ensure!(marked(hit).contains(&text), "{hit}");
        }
        // Persons whom the consent lets be seen by name stand in the line of the case, not in the text.
        let texts: String = hits(&answer, kind)
            .iter()
            .map(|hit| hit["snippets"].to_string())
            .collect();
        no_canary(text, &texts)?;
    }
    // A word that is shown does not help to guess one that is not.
    for text in [
        "年金 花見川町",
        "玄関 はるさん",
        "\"金糸雀太郎さんと玄関\"",
        "玄関 太郎さん",
        "玄関 か",
        "氏名",
        "［氏名1］",
        "氏名1",
    ] {
        let answer = words(world, "aoba-masked", text).await?;
        let found: Vec<&Value> = ["sheet", "record"]
            .iter()
            .flat_map(|kind| hits(&answer, kind))
            .collect();
        ensure!(found.is_empty(), "{text}: {answer}");
    }
    let transcripts = client
        .post("/search", json!({ "q": "年金", "kinds": ["transcript"] }))
        .await?
        .ok()?;
    ensure!(transcripts["total"] == 0, "{transcripts}");
    Ok(())
}

async fn add_record(world: &World, login_id: &str, case: &str, body: Value) -> Result<String> {
    let made = world
        .as_user(login_id)?
        .post(&format!("/cases/{case}/progress-records"), body)
        .await?
        .ok()?;
    Ok(made["id"].as_str().context("id")?.to_owned())
}

async fn what_is_written_is_found_soon_and_lost_at_once(world: &World) -> Result<()> {
    let case = world.case(OPEN_CASE).await?;
    let record = add_record(
        world,
        "aoba-coord",
        &case.id,
        json!({ "performed_on": "2026-11-18", "method": "tel", "visibility": "case_members",
            "content": "梟喫茶の見学に行った。", "private_note": "蝙蝠傘のことは言わない。" }),
    )
    .await?;
    let (answer, took) = until(world, "aoba-coord", "梟喫茶", "record").await?;
    println!("found {took:?} after it was written");
    // Two seconds on a machine that is not building anything at the same time.
    ensure!(took < Duration::from_secs(10), "found only after {took:?}");
    ensure!(answer["hits"][0]["id"] == json!(record), "{answer}");
    let (answer, _) = until(world, "aoba-coord", "蝙蝠傘", "record").await?;
    ensure!(
        answer["hits"][0]["private"] == true && answer["total"] == 1,
        "{answer}"
    );
    until(world, "aoba-houkatsu", "梟喫茶", "record").await?;
    as_if_it_were_not_there(world, "aoba-houkatsu", &["蝙蝠傘", "こうもりがさ"]).await?;
    as_if_it_were_not_there(world, "aoba-outside", &["梟喫茶"]).await?;
    let own = add_record(
        world,
        "aoba-coord",
        &case.id,
        json!({ "performed_on": "2026-11-18", "method": "tel", "visibility": "own_org", "content": "駱駝色の封筒。" }),
    )
    .await?;
    until(world, "aoba-coord", "駱駝色", "record").await?;
    as_if_it_were_not_there(world, "aoba-houkatsu", &["駱駝色"]).await?;
    // An amendment is found, too.
    world
        .as_user("aoba-coord")?
        .post(
            &format!("/cases/{}/progress-records/{own}/amendments", case.id),
            json!({ "reason": "追記", "content": "檸檬色の便箋も。" }),
        )
        .await?
        .ok()?;
    until(world, "aoba-coord", "檸檬色", "record").await?;
    // A right that is taken away is gone with the next search.
    let houkatsu = world.agency("青葉地域包括支援センター").await?;
    let coordinator = world.as_user("aoba-coord")?;
    let ended = coordinator
        .request(
            Method::DELETE,
            &format!("/cases/{}/members/{houkatsu}", case.id),
            None,
        )
        .await?;
    ensure!(
        ended.status.is_success(),
        "{} {}",
        ended.status,
        ended.text()
    );
    let answer = words(world, "aoba-houkatsu", "梟喫茶").await?;
    ensure!(answer["total"] == 0, "right after: {answer}");
    as_if_it_were_not_there(world, "aoba-houkatsu", &["梟喫茶", "鶸谷実里", OPEN_CASE]).await?;
    Ok(())
}

async fn spoken_words_are_for_readers_of_both_sheets(world: &World) -> Result<()> {
    let case = world.case(PROTECTED_CASE).await?;
    world
        .as_user("aoba-coord")?
        .post(
            &format!("/cases/{}/transcripts", case.id),
            json!({ "text": "相談員：お変わりないですか。\n本人：縁側で猩々袴を育てています。" }),
        )
        .await?
        .ok()?;
    let (answer, _) = until(world, "aoba-coord", "猩々袴", "transcript").await?;
    ensure!(marked(&answer["hits"][0]) == ["猩々袴"], "{answer}");
    as_if_it_were_not_there(world, "aoba-masked", &["猩々袴", "縁側で"]).await
}

async fn kept_searches_are_ones_own(world: &World) -> Result<()> {
    let (coordinator, other) = (world.as_user("aoba-coord")?, world.as_user("aoba-coord2")?);
    let new =
        json!({ "name": "家賃の滞納", "words": "家賃 滞納", "filters": { "sort": "newest" } });
    let saved = coordinator.post("/search/saved", new.clone()).await?.ok()?;
    coordinator.post("/search/saved", new).await?.ok()?;
    words(world, "aoba-coord", "家賃 滞納").await?;
    words(world, "aoba-coord", "家賃 滞納").await?;
    let kept = coordinator.get("/search/saved").await?.ok()?;
    ensure!(
        kept["saved"].as_array().map(Vec::len) == Some(1)
            && kept["saved"][0]["filters"]["sort"] == "newest",
        "one of a name: {kept}"
    );
    let recent: Vec<&Value> = kept["recent"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|kept| &kept["words"])
        .collect();
    ensure!(
        recent.first() == Some(&&json!("家賃 滞納"))
            && recent
                .iter()
                .filter(|words| ***words == json!("家賃 滞納"))
                .count()
                == 1,
        "{kept}"
    );
    let theirs = other.get("/search/saved").await?;
    ensure!(!theirs.text().contains("家賃 滞納"), "{}", theirs.text());
    let id = saved["id"].as_str().context("id")?;
    // Saved again under the same name it got another id.
    ensure!(other.delete(&format!("/search/saved/{id}")).await?.status == 404);
    let now = kept["saved"][0]["id"].as_str().context("id")?;
    ensure!(other.delete(&format!("/search/saved/{now}")).await?.status == 404);
    ensure!(
        coordinator
            .delete(&format!("/search/saved/{now}"))
            .await?
            .status
            == 204
    );
    let typed = coordinator
        .post("/search/suggestions", json!({ "q": "家賃" }))
        .await?
        .ok()?;
    ensure!(typed["recent"] == json!(["家賃 滞納"]), "{typed}");
    let typed = coordinator
        .post("/search/suggestions", json!({ "q": "ひわ" }))
        .await?
        .ok()?;
    ensure!(typed["persons"][0]["name"] == "鶸谷 実里", "{typed}");
    let typed = coordinator
        .post("/search/suggestions", json!({ "q": "2026-0003" }))
        .await?
        .ok()?;
    ensure!(typed["cases"][0]["case_no"] == EXCLUDED_CASE, "{typed}");
    ensure!(coordinator.delete("/search/recent").await?.status == 204);
    let kept = coordinator.get("/search/saved").await?.ok()?;
    ensure!(kept == json!({ "saved": [], "recent": [] }), "{kept}");
    Ok(())
}

async fn bad_input_is_told_or_finds_nothing(world: &World) -> Result<()> {
    let client = world.as_user("aoba-coord")?;
    let ten = "あ い う え お か き く け こ さ";
    for (body, code) in [
        (json!({ "q": "あ".repeat(1000) }), "too_long"),
        (json!({ "q": ten }), "too_many_words"),
        (json!({ "q": "面談", "kinds": ["x"] }), "unknown_option"),
        (json!({ "q": "面談", "stages": ["x"] }), "unknown_option"),
        (json!({ "q": "面談", "state": "x" }), "unknown_option"),
        (json!({ "q": "面談", "sort": "x" }), "unknown_option"),
        (json!({ "q": "面談", "from": "昭和65年" }), "date"),
        (json!({ "q": "面談", "cursor": "-1" }), "cursor"),
        (
            json!({ "q": "面談", "cursor": "99999999999999999999" }),
            "cursor",
        ),
    ] {
        let reply = client.post("/search", body.clone()).await?;
        ensure!(
            reply.status == 422 && reply.text().contains(code),
            "{body}: {} {}",
            reply.status,
            reply.text()
        );
    }
    for text in [
        "",
        "   ",
        "！？、。",
        "「」",
        "\"\"",
        "\u{0}\u{1b}\u{7f}",
        "()[]{}*?:^~",
        "🎏🎎",
    ] {
        let answer = words(world, "aoba-coord", text).await?;
        ensure!(
            answer["notice"] == "no_words" && answer["total"] == 0,
            "{text:?}: {answer}"
        );
    }
    let started = Instant::now();
    for text in [
        "a".repeat(200),
        "一".repeat(200),
        "ー".repeat(200),
        "\u{200b}\u{202e}か\u{0300}".repeat(40),
        "AND OR NOT title:* \"".to_owned(),
        "\u{1f468}\u{200d}\u{1f469}家".to_owned(),
    ] {
        words(world, "aoba-coord", &text).await?;
    }
    ensure!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    Ok(())
}

async fn searches_are_audited_with_sealed_words(world: &World) -> Result<()> {
    words(world, "aoba-coord", "梟喫茶の見学").await?;
    let auditor = world.as_user("aoba-auditor")?;
    let listed = auditor.get("/audit").await?.ok()?;
    ensure!(
        !listed.to_string().contains("梟喫茶"),
        "the list tells words"
    );
    let event = listed["items"]
        .as_array()
        .context("items")?
        .iter()
        .find(|event| event["action"] == "search")
        .context("no search in the audit log")?;
    let opened = auditor
        .get(&format!("/audit/{}/terms", event["seq"]))
        .await?
        .ok()?;
    ensure!(opened["terms"] == "梟喫茶の見学", "{opened}");
    let metrics = auditor.get_raw("/metrics").await?.text();
    ensure!(
        metrics.contains("musubi_search_index_whole 1") && !metrics.contains("梟"),
        "{metrics}"
    );
    Ok(())
}

/// Units that the running server has written to its index.
async fn written(world: &World) -> Result<u64> {
    let metrics = world
        .as_user("aoba-auditor")?
        .get_raw("/metrics")
        .await?
        .text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("musubi_search_index_written_total "));
    Ok(line.context("no number of written units")?.trim().parse()?)
}

async fn the_index_is_sealed_kept_and_made_anew(world: &mut World) -> Result<()> {
    for text in ["水車小屋", "水車", "鵲橋", "かささ"] {
        no_raw_bytes(&world.server.data.path().join("index"), text)?;
    }
    // Masked texts follow the others: the model is asked for each.
    until(world, "aoba-masked", "玄関", "record").await?;
    let (mut last, mut quiet) = (written(world).await?, 0);
    while quiet < 15 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = written(world).await?;
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
    ensure!(last > 0, "nothing was written");
    world.server.stop()?;
    let folder = world.server.data.path().join("index");
    let generations = || -> Result<Vec<String>> {
        let mut out = Vec::new();
        for town in std::fs::read_dir(&folder)? {
            for file in std::fs::read_dir(town?.path())? {
                out.push(file?.file_name().to_string_lossy().into_owned());
            }
        }
        out.sort();
        Ok(out)
    };
    let before = generations()?;
    world.server.launch()?;
    until(world, "aoba-coord", "水車小屋", "sheet").await?;
    ensure!(
        generations()? == before,
        "it was opened, not made: {before:?}"
    );
    // What is masked under the same basis is not masked again: no inference after a start.
    until(world, "aoba-masked", "玄関", "record").await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let again = written(world).await?;
    ensure!(again == 0, "{again} units were written again");
    let said = world.server.command(&["index", "rebuild"])?;
    ensure!(said.contains("検索索引を作り直します"), "{said}");
    let started = Instant::now();
    while generations()?
        .iter()
        .any(|name| before.contains(name) && name != "current.json")
    {
        ensure!(started.elapsed() < Duration::from_secs(60), "not made anew");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    until(world, "aoba-coord", "水車小屋", "record").await?;
    until(world, "aoba-masked", "玄関", "record").await?;
    // A damaged index is no reason not to start.
    world.server.stop()?;
    for town in std::fs::read_dir(&folder)? {
        for file in std::fs::read_dir(town?.path())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "key") {
                std::fs::write(path, b"damaged")?;
            }
        }
    }
    world.server.launch()?;
    until(world, "aoba-coord", "めんだん", "record").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn full_text_search() {
    each_database(|database| async move {
        let mut world = World::start(database).await?;
        step("found", what_may_be_seen_is_found(&world)).await?;
        step("filters", filters_order_and_pages(&world)).await?;
        step("masked", masked_readers_search_masked_text(&world)).await?;
        step("hidden", what_may_not_be_seen_is_not_there(&world)).await?;
        step(
            "transcripts",
            spoken_words_are_for_readers_of_both_sheets(&world),
        )
        .await?;
        step("kept", kept_searches_are_ones_own(&world)).await?;
        step("bad input", bad_input_is_told_or_finds_nothing(&world)).await?;
        step(
            "soon and at once",
            what_is_written_is_found_soon_and_lost_at_once(&world),
        )
        .await?;
        step("audit", searches_are_audited_with_sealed_words(&world)).await?;
        step(
            "kept index",
            the_index_is_sealed_kept_and_made_anew(&mut world),
        )
        .await
    })
    .await;
}
