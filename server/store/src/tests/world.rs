//! A small municipality to test with.

use domain::agency::AgencyClass;
use domain::consent::{Consent, ConsentStatus};
use domain::disclosure::{Disclosure, Level};
use domain::id::{AccountId, AgencyId, MembershipId, MunicipalityId, PersonId};
use domain::role::Role;
use domain::section::Section;
use jiff::civil::date;

use crate::accounts::NewAccount;
use crate::agencies::NewAgency;
use crate::cases::{self, CaseAccess, ClientRef, CreatedCase, NewCase};
use crate::consents::{ConsentDetail, NewConsent};
use crate::memberships::NewMembership;
use crate::municipalities::{self, Municipality};
use crate::persons::{Fact, NewPerson};
use crate::testing::TestStore;
use crate::{AdminAccess, Caller, Database, Dialect, Sharing, Tx, sessions};

/// Stands in every personal field; must appear in no file and to nobody without right.
pub const CANARY: &str = "カナリア篠突原";
pub const PASSWORD: &str = "correct horse battery";
pub const SECRET: &[u8] = b"12345678901234567890";

pub struct World {
    pub store: TestStore,
    pub db: Database,
    pub town: MunicipalityId,
    pub admin: AdminAccess,
    pub coordinator: Caller,
    pub department: Caller,
    pub agency: Caller,
    pub other: Caller,
    pub viewer: Caller,
    pub sysadmin: Caller,
    pub auditor: Caller,
    pub stat: Caller,
}

pub async fn municipality(tx: &mut Tx, id: &str) -> MunicipalityId {
    let town = Municipality {
        id: id.into(),
        name: format!("{id}市"),
        zone: "Asia/Tokyo".into(),
        capabilities: serde_json::json!({ "takikan": true }),
        demo: false,
    };
    municipalities::create(tx, &town).await.unwrap();
    town.id
}

pub async fn agency(tx: &mut Tx, admin: &AdminAccess, name: &str, class: AgencyClass) -> AgencyId {
    let new = NewAgency {
        name: name.into(),
        class,
        org_type: None,
        phone: None,
        organisation: None,
    };
    admin.create_agency(tx, &new).await.unwrap()
}

pub async fn account(tx: &mut Tx, admin: &AdminAccess, login: &str) -> AccountId {
    let hash = tx.database().hashing().hash(PASSWORD).unwrap();
    let new = NewAccount {
        login_id: login.into(),
        name: format!("職員 {login}"),
        kana: None,
        email: None,
        profession: None,
        password_hash: hash,
        must_change_password: false,
    };
    admin.create_account(tx, &new).await.unwrap()
}

pub async fn membership(
    tx: &mut Tx,
    admin: &AdminAccess,
    account: &AccountId,
    agency: &AgencyId,
    role: Role,
) -> MembershipId {
    let new = NewMembership {
        account: account.clone(),
        agency: agency.clone(),
        role,
        valid_from: date(2026, 4, 1),
        valid_to: None,
    };
    admin.create_membership(tx, &new).await.unwrap()
}

/// A caller made the only way there is: by signing in (here: an API token).
pub async fn caller(
    tx: &mut Tx,
    admin: &AdminAccess,
    login: &str,
    agency: &AgencyId,
    role: Role,
) -> Caller {
    let account = account(tx, admin, login).await;
    let membership = membership(tx, admin, &account, agency, role).await;
    let (_, token) = admin
        .create_token(
            tx,
            &membership,
            "test",
            &[],
            jiff::SignedDuration::from_hours(1),
        )
        .await
        .unwrap();
    sessions::bearer(tx, &token).await.unwrap().unwrap()
}

pub fn person(name: &str, kana: &str) -> NewPerson {
    NewPerson {
        facts: vec![
            Fact::current("name", name),
            Fact::current("name_kana", kana),
            Fact::current("birth_date", "1958-05-06"),
            Fact::current("gender", "2"),
            Fact::current("address", format!("架空市{CANARY}1-2-3")),
            Fact::current("phone_mobile", "090-0000-1234"),
        ],
        ..NewPerson::default()
    }
}

impl World {
    pub async fn open(dialect: Dialect) -> Self {
        let store = TestStore::open(dialect).await;
        let db = store.db.clone();
        let mut tx = db.write().await.unwrap();
        let town = municipality(&mut tx, "town").await;
        let admin = AdminAccess::of_installation(&town);
        let kotaki = agency(
            &mut tx,
            &admin,
            "多機関協働センター",
            AgencyClass::Coordinator,
        )
        .await;
        let office = agency(&mut tx, &admin, "福祉総務課", AgencyClass::Department).await;
        let a = agency(&mut tx, &admin, "地域包括支援センター", AgencyClass::Agency).await;
        let b = agency(&mut tx, &admin, "相談支援事業所", AgencyClass::Agency).await;
        let coordinator = caller(&mut tx, &admin, "coordinator", &kotaki, Role::Coordinator).await;
        let department = caller(
            &mut tx,
            &admin,
            "department",
            &office,
            Role::DepartmentStaff,
        )
        .await;
        let agency = caller(&mut tx, &admin, "agency", &a, Role::Agency).await;
        let other = caller(&mut tx, &admin, "other", &b, Role::Agency).await;
        let viewer = caller(&mut tx, &admin, "viewer", &a, Role::Viewer).await;
        let sysadmin = caller(&mut tx, &admin, "sysadmin", &office, Role::Sysadmin).await;
        let auditor = caller(&mut tx, &admin, "auditor", &office, Role::Auditor).await;
        let stat = caller(&mut tx, &admin, "stat", &office, Role::Stat).await;
        tx.commit().await.unwrap();
        Self {
            store,
            db,
            town,
            admin,
            coordinator,
            department,
            agency,
            other,
            viewer,
            sysadmin,
            auditor,
            stat,
        }
    }

    /// A case of the coordinator about one new client.
    pub async fn case(&self, name: &str) -> CreatedCase {
        let mut tx = self.db.write().await.unwrap();
        let created = cases::create(&mut tx, &self.coordinator, &self.new_case(name))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        created
    }

    pub fn new_case(&self, name: &str) -> NewCase {
        NewCase {
            received_on: date(2026, 11, 2),
            clients: vec![ClientRef::New(person(name, "かなりあ はなこ"))],
            urgency: Some("b".into()),
            title: Some(format!("{name}世帯")),
            program: None,
            owner_account: None,
            owner_agency: None,
            lead_agency: None,
            case_no: None,
        }
    }

    pub async fn access(&self, caller: &Caller, created: &CreatedCase) -> Option<CaseAccess> {
        let mut tx = self.db.read().await.unwrap();
        tx.case_for(caller, &created.case).await.unwrap()
    }

    pub async fn consent(&self, created: &CreatedCase, person: &PersonId, status: ConsentStatus) {
        let mut tx = self.db.write().await.unwrap();
        let access = tx
            .case_for(&self.coordinator, &created.case)
            .await
            .unwrap()
            .unwrap();
        let mut consent = Consent::of(status);
        consent.obtained_on = Some(date(2026, 11, 2));
        let new = NewConsent {
            person: person.clone(),
            consent,
            method: None,
            policy_version: None,
            detail: ConsentDetail::default(),
        };
        access.register_consent(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Takes the agency in with a level on the given sections; consent must cover it.
    pub async fn disclose(
        &self,
        created: &CreatedCase,
        to: &Caller,
        level: Level,
        sections: &[Section],
    ) {
        let mut tx = self.db.write().await.unwrap();
        let access = tx
            .case_for(&self.coordinator, &created.case)
            .await
            .unwrap()
            .unwrap();
        let agency = to.viewer.agency.clone();
        let rows: Vec<_> = sections
            .iter()
            .map(|section| Disclosure {
                agency: agency.clone(),
                section: *section,
                level,
                comment: false,
                from: None,
                to: None,
            })
            .collect();
        let done = access
            .add_member(
                &mut tx,
                &agency,
                "member",
                date(2026, 11, 2),
                None,
                &rows,
                None,
            )
            .await
            .unwrap();
        assert_eq!(done, Sharing::Done);
        tx.commit().await.unwrap();
    }

    /// A consented case disclosed to the agency.
    pub async fn shared_case(&self, name: &str, level: Level) -> CreatedCase {
        let created = self.case(name).await;
        self.consent(&created, &created.clients[0], ConsentStatus::Full)
            .await;
        self.disclose(&created, &self.agency, level, Section::ALL)
            .await;
        created
    }
}
