//! Tenants, tokens, contacts, channels, modules, audit: made, listed by pages, kept apart, taken away.

use farwatch_control::store::{
    AuditEntry, AuditFilter, Change, ChannelKind, NewChannel, NewContact, NewModule, NewToken, Owned, StoreError,
    Unique,
};
use farwatch_proto::id::{ChannelId, ContactId, ModuleHash, TenantId, TokenId};

use super::world::{Database, START, World, new_tenant, random};

on_both_engines!(
    tenants_come_in_pages,
    a_token_opens_until_it_expires_or_is_revoked,
    the_operator_gets_one_first_token,
    tokens_are_listed_by_whom_they_speak_for,
    contacts_are_the_tenants_own,
    channels_follow_their_contact,
    a_module_is_released_once,
    audit_is_read_backwards,
    a_signed_change_and_its_entry_stand_or_fall_together,
    things_are_known_by_their_owner,
);

async fn tenants_come_in_pages(database: Database) {
    let store = database.open().await;
    for number in 0..5 {
        new_tenant(&store, &format!("tenant {number}")).await;
    }
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = store.tenants().list(after, 2).await.unwrap();
        assert!(page.items.len() <= 2);
        after = page.items.last().map(|tenant| tenant.id);
        names.extend(page.items.into_iter().map(|tenant| tenant.name));
        if !page.more {
            break;
        }
    }
    assert_eq!(names, ["tenant 0", "tenant 1", "tenant 2", "tenant 3", "tenant 4"]);
    let third = store.tenants().named("tenant 3").await.unwrap().unwrap();
    assert_eq!(store.tenants().get(third.id).await.unwrap(), Some(third));
    assert_eq!(store.tenants().named("nobody").await.unwrap(), None);
}

fn token(tenant: Option<TenantId>, name: &str) -> NewToken {
    let id = TokenId::new(START, random());
    let hash = ModuleHash::of(id.as_bytes()).0;
    NewToken { id, tenant, name: name.to_owned(), scope: "all".to_owned(), hash, expires: None }
}

async fn a_token_opens_until_it_expires_or_is_revoked(database: Database) {
    let world = World::new(&database).await;
    let tokens = world.store.tokens();
    let lasting = token(Some(world.tenant), "lasting");
    let fleeting = NewToken { expires: Some(START + 1000), ..token(Some(world.tenant), "fleeting") };
    tokens.create(&lasting, START).await.unwrap();
    tokens.create(&fleeting, START).await.unwrap();

    assert!(tokens.find_by_hash(&fleeting.hash, START + 999).await.unwrap().is_some());
    assert_eq!(tokens.find_by_hash(&fleeting.hash, START + 1000).await.unwrap(), None);
    assert_eq!(tokens.find_by_hash(&[0; 32], START).await.unwrap(), None);

    let found = tokens.find_by_hash(&lasting.hash, START).await.unwrap().unwrap();
    tokens.touch_last_used(&found, START + 5).await.unwrap();
    let found = tokens.find_by_hash(&lasting.hash, START).await.unwrap().unwrap();
    tokens.touch_last_used(&found, START + 6).await.unwrap();
    let found = tokens.find_by_hash(&lasting.hash, START).await.unwrap().unwrap();
    assert_eq!(found.last_used, Some(START + 5), "it is noted once a minute");

    let stranger = new_tenant(&world.store, "stranger").await;
    assert_eq!(tokens.revoke(Some(stranger), lasting.id, START).await.unwrap(), Change::NotFound);
    assert_eq!(tokens.revoke(None, lasting.id, START).await.unwrap(), Change::NotFound);
    assert!(matches!(tokens.revoke(Some(world.tenant), lasting.id, START).await.unwrap(), Change::Made(_)));
    assert_eq!(tokens.revoke(Some(world.tenant), lasting.id, START).await.unwrap(), Change::Already);
    assert_eq!(tokens.find_by_hash(&lasting.hash, START).await.unwrap(), None);

    let double = NewToken { hash: lasting.hash, ..token(None, "double") };
    let refused = tokens.create(&double, START).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::TokenHash))), "{refused:?}");
    let dangling = token(Some(TenantId::new(START, random())), "of nobody");
    let refused = tokens.create(&dangling, START).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "{refused:?}");
}

async fn the_operator_gets_one_first_token(database: Database) {
    let store = database.open().await;
    let (one, other) = (token(None, "first"), token(None, "second"));
    let tokens = store.tokens();
    let (made_one, made_other) =
        tokio::join!(tokens.create_first_of_operator(&one, START), tokens.create_first_of_operator(&other, START));
    assert!(made_one.unwrap() != made_other.unwrap());
    assert_eq!(tokens.list(None, None, 10).await.unwrap().items.len(), 1);
}

async fn tokens_are_listed_by_whom_they_speak_for(database: Database) {
    let world = World::new(&database).await;
    let tokens = world.store.tokens();
    for name in ["a", "b", "c"] {
        tokens.create(&token(Some(world.tenant), name), START).await.unwrap();
    }
    tokens.create(&token(None, "operator"), START).await.unwrap();
    let page = tokens.list(Some(world.tenant), None, 2).await.unwrap();
    assert!(page.more);
    let rest = tokens.list(Some(world.tenant), page.items.last().map(|token| token.id), 2).await.unwrap();
    assert_eq!(rest.items[0].name, "c");
    assert!(!rest.more);
    assert_eq!(tokens.list(None, None, 9).await.unwrap().items[0].name, "operator");
}

async fn contacts_are_the_tenants_own(database: Database) {
    let world = World::new(&database).await;
    let contacts = world.store.contacts();
    let stranger = new_tenant(&world.store, "stranger").await;
    let ops = world.contact("ops").await;
    world.contact("boss").await;

    let same = NewContact { id: ContactId::new(START, random()), tenant: world.tenant, name: "ops".to_owned() };
    let refused = contacts.create(&same, START).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::ContactName))), "{refused:?}");
    contacts.create(&NewContact { tenant: stranger, ..same.clone() }, START).await.unwrap();

    assert_eq!(contacts.get(stranger, ops).await.unwrap(), None);
    assert_eq!(contacts.delete(stranger, ops, 1, START).await.unwrap(), Change::NotFound);
    assert_eq!(contacts.get(world.tenant, ops).await.unwrap().unwrap().name, "ops");
    let first = contacts.list(world.tenant, None, 1).await.unwrap();
    assert_eq!((first.items[0].name.as_str(), first.more), ("ops", true));
    let second = contacts.list(world.tenant, Some(ops), 1).await.unwrap();
    assert_eq!((second.items[0].name.as_str(), second.more), ("boss", false));

    assert!(matches!(contacts.delete(world.tenant, ops, 1, START).await.unwrap(), Change::Made(_)));
    assert_eq!(contacts.delete(world.tenant, ops, 1, START).await.unwrap(), Change::Already);
    assert_eq!(contacts.get(world.tenant, ops).await.unwrap(), None);
    let reborn = NewContact { id: ContactId::new(START, random()), ..same };
    contacts.create(&reborn, START).await.unwrap();
}

fn channel(contact: ContactId, kind: ChannelKind) -> NewChannel {
    NewChannel {
        id: ChannelId::new(START, random()),
        contact,
        kind,
        config: r#"{"to":"ops@example.com"}"#.to_owned(),
        sealed_secret: (kind == ChannelKind::Webhook).then(|| vec![7; 40]),
    }
}

async fn channels_follow_their_contact(database: Database) {
    let world = World::new(&database).await;
    let contacts = world.store.contacts();
    let stranger = new_tenant(&world.store, "stranger").await;
    let (ops, boss) = (world.contact("ops").await, world.contact("boss").await);
    let (mail, hook) = (channel(ops, ChannelKind::Email), channel(boss, ChannelKind::Webhook));
    let first = contacts.add_channel(world.tenant, &mail, START).await.unwrap().unwrap();
    assert_eq!(contacts.add_channel(world.tenant, &mail, START).await.unwrap(), Some(first), "a lost answer");
    contacts.add_channel(world.tenant, &hook, START).await.unwrap().unwrap();
    let theirs = channel(ops, ChannelKind::Email);
    assert_eq!(contacts.add_channel(stranger, &theirs, START).await.unwrap(), None);

    let found = contacts.channels_of(world.tenant, &[boss, ops]).await.unwrap();
    assert_eq!(found.iter().map(|channel| channel.id).collect::<Vec<_>>(), [mail.id, hook.id]);
    assert_eq!((found[1].kind, found[1].sealed_secret.clone()), (ChannelKind::Webhook, Some(vec![7; 40])));
    assert_eq!(contacts.channels_of(stranger, &[boss, ops]).await.unwrap(), []);
    assert_eq!(contacts.channels_of(world.tenant, &[]).await.unwrap(), []);
    let of_all = contacts.channels_of_all(&[boss, ops]).await.unwrap();
    assert_eq!(of_all, found.iter().map(|channel| (world.tenant, channel.clone())).collect::<Vec<_>>());
    assert_eq!(contacts.channels_of_all(&[]).await.unwrap(), []);

    assert_eq!(contacts.delete_channel(stranger, mail.id, 1, START).await.unwrap(), Change::NotFound);
    assert!(matches!(contacts.delete_channel(world.tenant, mail.id, 1, START + 1).await.unwrap(), Change::Made(_)));
    assert_eq!(contacts.delete_channel(world.tenant, mail.id, 1, START + 2).await.unwrap(), Change::Already);
    assert_eq!(contacts.channel(mail.id).await.unwrap().unwrap().deleted, Some(START + 1));

    assert_eq!(contacts.channel(hook.id).await.unwrap().unwrap().deleted, None);
    contacts.delete(world.tenant, boss, 2, START + 3).await.unwrap();
    assert_eq!(contacts.channel(hook.id).await.unwrap().unwrap().deleted, Some(START + 3));
    assert_eq!(contacts.channels_of(world.tenant, &[boss, ops]).await.unwrap(), []);
    assert_eq!(contacts.channels_of_all(&[boss, ops]).await.unwrap(), []);
}

fn module(tenant: Option<TenantId>, version: &str, bytes: &[u8]) -> NewModule {
    NewModule {
        tenant,
        name: "tcp".to_owned(),
        version: version.to_owned(),
        description: r#"{"name":"tcp"}"#.to_owned(),
        bytes: bytes.to_vec(),
    }
}

async fn a_module_is_released_once(database: Database) {
    let world = World::new(&database).await;
    let modules = world.store.modules();
    let stranger = new_tenant(&world.store, "stranger").await;
    let mine = module(Some(world.tenant), "1.0.0", b"same bytes");
    let hash = ModuleHash::of(b"same bytes");
    assert!(modules.put(&mine, START).await.unwrap().is_some());
    assert_eq!(modules.put(&mine, START).await.unwrap(), None);
    let other = modules.put(&module(Some(world.tenant), "1.0.0", b"other bytes"), START).await;
    assert!(matches!(other, Err(StoreError::Conflict(Unique::ModuleVersion))), "{other:?}");

    // The same bytes may be released by another tenant, which sees only its own release.
    assert!(modules.put(&module(Some(stranger), "9.0.0", b"same bytes"), START).await.unwrap().is_some());
    let visible = modules.list_visible_to(stranger).await.unwrap();
    let named: Vec<_> = visible.iter().map(|module| (module.name.as_str(), module.version.as_str())).collect();
    assert_eq!(named, [("tcp", "9.0.0"), ("http", "0.1.0")]);
    assert_eq!(modules.bytes(hash).await.unwrap().unwrap(), b"same bytes");
    assert_eq!(modules.description(hash).await.unwrap().unwrap(), r#"{"name":"tcp"}"#);
    assert_eq!(modules.bytes(ModuleHash([0; 32])).await.unwrap(), None);
}

async fn audit_is_read_backwards(database: Database) {
    let world = World::new(&database).await;
    let audit = world.store.audit();
    for number in 0..3 {
        let entry = AuditEntry {
            at: START + number,
            tenant: (number != 1).then_some(world.tenant),
            actor: "tok_1".to_owned(),
            action: format!("check.{number}"),
            entity: "chk_1".to_owned(),
            detail: "{}".to_owned(),
        };
        audit.append(&entry).await.unwrap();
    }
    let newest = audit.list(&AuditFilter::default(), None, 2).await.unwrap();
    assert_eq!(newest.items[0].entry.action, "check.2");
    assert!(newest.more);
    let rest = audit.list(&AuditFilter::default(), newest.items.last().map(|record| record.id), 2).await.unwrap();
    assert_eq!((rest.items[0].entry.action.as_str(), rest.more), ("check.0", false));
    let passing = async |filter: AuditFilter| audit.list(&filter, None, 9).await.unwrap().items.len();
    assert_eq!(passing(AuditFilter { tenant: Some(world.tenant), ..AuditFilter::default() }).await, 2);
    assert_eq!(passing(AuditFilter { from: Some(START + 1), to: Some(START + 2), ..AuditFilter::default() }).await, 1);
    assert_eq!(audit.delete_before(START + 1).await.unwrap(), 1);
    assert_eq!(audit.delete_before(START + 1).await.unwrap(), 0);
    assert_eq!(passing(AuditFilter::default()).await, 2);
}

async fn a_signed_change_and_its_entry_stand_or_fall_together(database: Database) {
    let world = World::new(&database).await;
    let noted = async || {
        let page = world.store.audit().list(&AuditFilter::default(), None, 9).await.unwrap();
        page.items.into_iter().map(|record| record.entry.entity).collect::<Vec<_>>()
    };
    let new =
        |name: &str| NewContact { id: ContactId::new(START, random()), tenant: world.tenant, name: name.to_owned() };
    let unsigned = world.store.unsigned();
    let refused = unsigned.contacts().create(&new("ops"), START).await;
    assert!(matches!(refused, Err(StoreError::Unsigned)), "{refused:?}");
    assert_eq!(unsigned.contacts().list(world.tenant, None, 9).await.unwrap().items, []);

    let entry = |entity: &str| AuditEntry::of_house("contact.create", entity.to_owned(), START);
    let ops = new("ops");
    unsigned.signed(entry("ops")).contacts().create(&ops, START).await.unwrap();
    assert_eq!(noted().await, ["ops"]);
    unsigned.signed(entry("ops again")).contacts().create(&ops, START).await.unwrap();
    let taken = unsigned.signed(entry("same name")).contacts().create(&new("ops"), START).await;
    assert!(matches!(taken, Err(StoreError::Conflict(Unique::ContactName))), "{taken:?}");
    assert_eq!(noted().await, ["ops"], "what changed nothing is not told");
}

async fn things_are_known_by_their_owner(database: Database) {
    let world = World::new(&database).await;
    let (check, contact) = (world.check("shop").await, world.contact("ops").await);
    let mail = channel(contact, ChannelKind::Email);
    world.store.contacts().add_channel(world.tenant, &mail, START).await.unwrap();
    let (own, operators) = (token(Some(world.tenant), "own"), token(None, "operator"));
    for token in [&own, &operators] {
        world.store.tokens().create(token, START).await.unwrap();
    }
    let cases = [
        (Owned::Channel, mail.id.as_bytes(), Some(world.tenant)),
        (Owned::Check, check.as_bytes(), Some(world.tenant)),
        (Owned::Contact, contact.as_bytes(), Some(world.tenant)),
        (Owned::Tenant, world.tenant.as_bytes(), Some(world.tenant)),
        (Owned::Token, own.id.as_bytes(), Some(world.tenant)),
        (Owned::Token, operators.id.as_bytes(), None),
        (Owned::Incident, check.as_bytes(), None),
        (Owned::Check, contact.as_bytes(), None),
    ];
    for (kind, id, owner) in cases {
        assert_eq!(world.store.owner_of(kind, id).await.unwrap(), owner, "{kind:?}");
    }
}
