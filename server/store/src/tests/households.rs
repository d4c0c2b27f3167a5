//! Who stays with whom: moves, the two kinds of household, and what protection keeps back.

use domain::agency::AgencyClass;
use domain::household::HouseholdKind;
use domain::id::PersonId;
use domain::role::Role;
use jiff::civil::{Date, date};

use super::on_both;
use super::world::{World, agency, caller, person};
use crate::households::{Household, NewStay, StayPatch};
use crate::persons;
use crate::{Caller, StoreError, Tx};

fn stay(kind: HouseholdKind, household: Option<&str>, from: Option<Date>) -> NewStay {
    NewStay {
        kind,
        household: household.map(str::to_owned),
        kinship: None,
        kinship_other: None,
        from,
        to: None,
        reason: None,
    }
}

async fn homes(tx: &mut Tx, who: &Caller, id: &PersonId) -> Vec<Household> {
    let access = tx.person_for(who, id).await.unwrap().unwrap();
    access.households(tx).await.unwrap()
}

async fn enter(
    tx: &mut Tx,
    who: &Caller,
    id: &PersonId,
    new: &NewStay,
) -> Result<String, StoreError> {
    let access = tx.person_for(who, id).await.unwrap().unwrap();
    access.enter_household(tx, new).await
}

/// A household of several: of one person the real one, of more the registered one.
pub(super) async fn together(tx: &mut Tx, who: &Caller, members: &[PersonId], ends: u64) {
    let kind = if members.len() == 1 {
        HouseholdKind::Actual
    } else {
        HouseholdKind::Registered
    };
    let mut household: Option<String> = None;
    for id in members {
        let new = NewStay {
            kinship: Some("other".into()),
            kinship_other: Some("同居人".into()),
            to: (ends == 2).then_some(date(2026, 6, 30)),
            reason: Some("転居した".into()),
            ..stay(
                kind,
                household.as_deref(),
                (ends > 0).then_some(date(2026, 1, 10)),
            )
        };
        enter(tx, who, id, &new).await.unwrap();
        household = homes(tx, who, id)
            .await
            .into_iter()
            .find(|home| home.kind == kind)
            .map(|home| home.id);
    }
}

on_both! {
    async fn a_move_ends_the_stay_before(world: &World) {
        let who = &world.coordinator;
        let mut tx = world.db.write().await.unwrap();
        let mother = persons::create(&mut tx, who, &person("転居 母", "てんきょ はは")).await.unwrap();
        let son = persons::create(&mut tx, who, &person("転居 子", "てんきょ こ")).await.unwrap();
        let head = NewStay { kinship: Some("self".into()), ..stay(HouseholdKind::Registered, None, None) };
        enter(&mut tx, who, &mother, &head).await.unwrap();
        let home = homes(&mut tx, who, &mother).await.remove(0);
        let child = NewStay { kinship: Some("son".into()), ..stay(HouseholdKind::Registered, Some(&home.id), Some(date(2020, 4, 1))) };
        enter(&mut tx, who, &son, &child).await.unwrap();
        // He really lives elsewhere: the two kinds know nothing of each other.
        enter(&mut tx, who, &son, &stay(HouseholdKind::Actual, None, Some(date(2024, 1, 1)))).await.unwrap();
        let both = homes(&mut tx, who, &son).await;
        assert_eq!(both.iter().map(|home| (home.kind, home.stays.len())).collect::<Vec<_>>(), [(HouseholdKind::Registered, 2), (HouseholdKind::Actual, 1)]);
        assert_eq!(both[0].stays[0].person, mother, "the head first");

        let again = enter(&mut tx, who, &son, &child).await;
        assert!(matches!(again, Err(StoreError::Invalid("overlap"))), "he is there");
        let other = enter(&mut tx, who, &son, &stay(HouseholdKind::Actual, Some(&home.id), Some(date(2026, 1, 1)))).await;
        assert!(matches!(other, Err(StoreError::Invalid("household"))), "of the other kind");
        let undated = enter(&mut tx, who, &son, &stay(HouseholdKind::Registered, None, None)).await;
        assert!(matches!(undated, Err(StoreError::Invalid("from"))), "which day does the other stay end?");
        let moved = NewStay { reason: Some("世帯分離".into()), ..stay(HouseholdKind::Registered, None, Some(date(2026, 10, 1))) };
        let id = enter(&mut tx, who, &son, &moved).await.unwrap();
        let after = homes(&mut tx, who, &son).await;
        let registered: Vec<_> = after.iter().filter(|home| home.kind == HouseholdKind::Registered).collect();
        assert_eq!(registered.len(), 2);
        assert_ne!(registered[0].id, home.id, "where he stays comes first");
        let former = registered[1].stays.iter().find(|stay| stay.person == son).unwrap();
        assert_eq!((former.to, former.words.left_because.as_deref()), (Some(date(2026, 9, 30)), Some("世帯分離")));

        let access = tx.person_for(who, &son).await.unwrap().unwrap();
        let early = StayPatch { from: Some(Some(date(2026, 9, 1))), ..StayPatch::default() };
        assert!(matches!(access.change_stay(&mut tx, &id, 1, &early).await, Err(StoreError::Invalid("overlap"))));
        let left = StayPatch { to: Some(Some(date(2026, 11, 1))), left_because: Some(Some("入院".into())), ..StayPatch::default() };
        access.change_stay(&mut tx, &id, 1, &left).await.unwrap();
        assert!(matches!(access.change_stay(&mut tx, &id, 1, &left).await, Err(StoreError::Conflict)));
        assert!(matches!(access.remove_stay(&mut tx, "nobody", 1).await, Err(StoreError::NotFound)));
        let theirs = homes(&mut tx, who, &mother).await[0].stays[0].id.clone();
        assert!(matches!(access.remove_stay(&mut tx, &theirs, 1).await, Err(StoreError::NotFound)), "a stay of somebody else");
        access.remove_stay(&mut tx, &id, 2).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM households").fetch_one(tx.conn()).await.unwrap();
        assert_eq!(left, 2, "an empty household goes");
        assert!(matches!(enter(&mut tx, &world.department, &son, &moved).await, Err(StoreError::Forbidden)));
    }

    async fn a_household_does_not_tell_where_somebody_protected_lives(world: &World) {
        let who = &world.coordinator;
        let mut tx = world.db.write().await.unwrap();
        let center = agency(&mut tx, &world.admin, "別の多機関", AgencyClass::Coordinator).await;
        let near = caller(&mut tx, &world.admin, "near", &center, Role::Coordinator).await;
        let hidden = persons::create(&mut tx, who, &person("秘匿 母", "ひとく はは")).await.unwrap();
        let aunt = persons::create(&mut tx, who, &person("秘匿 叔母", "ひとく おば")).await.unwrap();
        let cousin = persons::create(&mut tx, who, &person("秘匿 従妹", "ひとく いとこ")).await.unwrap();
        let head = NewStay { kinship: Some("self".into()), ..stay(HouseholdKind::Actual, None, Some(date(2026, 4, 1))) };
        enter(&mut tx, who, &hidden, &head).await.unwrap();
        let home = homes(&mut tx, who, &hidden).await.remove(0).id;
        let joined = NewStay { kinship: Some("younger_sis".into()), reason: Some("姉をかくまう".into()), ..stay(HouseholdKind::Actual, Some(&home), Some(date(2026, 5, 1))) };
        enter(&mut tx, who, &aunt, &joined).await.unwrap();
        assert_eq!(homes(&mut tx, &near, &aunt).await[0].stays.len(), 2, "nobody is protected yet");
        let all = crate::households::for_files(&mut tx, who, std::slice::from_ref(&hidden)).await.unwrap();
        assert_eq!(all[&hidden].len(), 1);

        sqlx::query("UPDATE persons SET address_confidential = 1 WHERE id = $1").bind(hidden.as_str()).execute(tx.conn()).await.unwrap();
        persons::set_allow(&mut tx, &world.town, &hidden, std::slice::from_ref(&who.viewer.agency), "x").await.unwrap();

        assert_eq!(homes(&mut tx, who, &aunt).await[0].stays.len(), 2, "whoever is on the list sees both");
        assert!(homes(&mut tx, &near, &hidden).await.is_empty());
        let seen = homes(&mut tx, &near, &aunt).await;
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].stays.len(), 1, "the other is not even counted");
        let shown = &seen[0].stays[0];
        assert_eq!((&shown.person, shown.kinship.as_deref()), (&aunt, None), "a sister of whom?");
        assert_eq!(shown.words, crate::households::Words::default());
        assert!(matches!(enter(&mut tx, &near, &hidden, &head).await, Err(StoreError::Forbidden)));

        // A household of hers alone is one of which the other knows nothing.
        let alone = persons::create(&mut tx, who, &person("秘匿 独居", "ひとく どっきょ")).await.unwrap();
        enter(&mut tx, who, &alone, &stay(HouseholdKind::Registered, None, None)).await.unwrap();
        let secret = homes(&mut tx, who, &alone).await.remove(0).id;
        sqlx::query("UPDATE persons SET address_confidential = 1 WHERE id = $1").bind(alone.as_str()).execute(tx.conn()).await.unwrap();
        let guess = enter(&mut tx, &near, &cousin, &stay(HouseholdKind::Registered, Some(&secret), None)).await;
        let nothing = enter(&mut tx, &near, &cousin, &stay(HouseholdKind::Registered, Some("nothing"), None)).await;
        assert!(matches!((guess, nothing), (Err(StoreError::NotFound), Err(StoreError::NotFound))));

        // A file holds nothing of it, whoever writes it.
        let rows = crate::households::for_files(&mut tx, who, &[hidden.clone(), aunt.clone()]).await.unwrap();
        assert!(!rows.contains_key(&hidden));
        assert_eq!(rows[&aunt].iter().map(|(_, _, stay)| stay.kinship.as_deref()).collect::<Vec<_>>(), [None]);
    }
}
