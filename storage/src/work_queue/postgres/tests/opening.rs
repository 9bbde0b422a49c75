//! Opening a database: what is accepted, what is refused, and the error messages.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use frontier::WorkQueue;
use frontier::work_queue::Commit;
use pgserver::Server;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::super::sql::Sql;
use super::super::{Database, StoreError};
use super::support::{BOUNDS, at, block_on, connect, fresh_database};

async fn refusal(url: &str) -> String {
    match Database::open(url).await {
        Ok(_) => panic!("{url} opens"),
        Err(error) => error.to_string(),
    }
}

/// Number of tables in the database.
async fn tables(url: &str) -> i64 {
    let tables =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    connect(url).await.query_one(tables, &[]).await.unwrap().get(0)
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    block_on(async {
        let text = refusal("postgres://me:secret@127.0.0.1:1/crawls").await;
        assert!(text.starts_with("failed to connect to postgres://127.0.0.1:1/crawls: "), "{text}");
        assert!(text.contains("refused") && !text.contains("secret"), "{text}");
        let text = refusal("postgres://me@no-such-host.invalid/crawls").await;
        assert!(text.starts_with("failed to connect to postgres://no-such-host.invalid"), "{text}");
    });
}

#[test]
fn a_wrong_or_missing_password_is_reported() {
    let Some(server) = pgserver::own_server() else { return };
    block_on(async {
        let guarded = "CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE DATABASE theirs OWNER guarded";
        for statement in guarded.split(';') {
            connect(&server.url("postgres")).await.batch_execute(statement).await.unwrap();
        }
        for user in ["guarded:wrong", "guarded"] {
            let text = refusal(&server.url_of(user, "theirs")).await;
            let place = format!("postgres://127.0.0.1:{}/theirs", server.port());
            assert!(text.starts_with(&format!("{place} refuses the user or the password: ")), "{text}");
            assert!(!text.contains("wrong"), "{text}");
        }
        Database::open(&server.url_of("guarded:right", "theirs")).await.unwrap();
    });
}

#[test]
fn a_missing_database_is_not_created() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let text = refusal(&at(url, "nowhere")).await;
        assert!(text.contains("database \"nowhere\" does not exist; create it first"), "{text}");
    });
}

#[test]
fn a_read_only_database_is_refused() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        let (_, name) = fresh.rsplit_once('/').unwrap();
        let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
        connect(url).await.batch_execute(&read_only).await.unwrap();
        let text = refusal(&fresh).await;
        assert!(text.contains("does not accept writes"), "{text}");
        assert_eq!(tables(&fresh).await, 0);
    });
}

#[test]
fn an_old_server_is_refused() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        let (_, name) = fresh.rsplit_once('/').unwrap();
        // Makes the server report an older version than it has.
        let older = "CREATE FUNCTION public.current_setting(name text) RETURNS text LANGUAGE sql AS $$
            SELECT CASE name WHEN 'server_version_num' THEN '140011' WHEN 'server_version' THEN '14.11'
                ELSE pg_catalog.current_setting(name) END $$";
        connect(&fresh).await.batch_execute(older).await.unwrap();
        let first = format!("ALTER DATABASE {name} SET search_path = public, pg_catalog");
        connect(url).await.batch_execute(&first).await.unwrap();
        let text = refusal(&fresh).await;
        assert!(text.ends_with("runs PostgreSQL 14.11, a shared crawl needs 15 or later"), "{text}");
        assert_eq!(tables(&fresh).await, 0);
    });
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        for table in ["users (name text)", "schema_version (version text)"] {
            let fresh = fresh_database(url).await;
            connect(&fresh).await.batch_execute(&format!("CREATE TABLE {table}")).await.unwrap();
            let text = refusal(&fresh).await;
            let name = table.split(' ').next().unwrap();
            assert!(text.contains(&format!("holds other tables and no crawl ({name})")), "{text}");
            assert_eq!(tables(&fresh).await, 1);
        }
    });
}

#[test]
fn missing_rights_are_named_and_nothing_is_half_made() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        let visitor = "DO $$ BEGIN CREATE ROLE visitor LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
        connect(url).await.batch_execute(visitor).await.unwrap();
        let (_, server) = fresh.split_once('@').unwrap();
        let theirs = format!("postgres://visitor:x@{server}");
        let text = refusal(&theirs).await;
        assert!(text.ends_with("the user lacks a privilege: CREATE on schema public"), "{text}");
        assert_eq!(tables(&fresh).await, 0);

        Database::open(&fresh).await.unwrap();
        let text = refusal(&theirs).await;
        assert!(text.contains("lacks a privilege: permission denied for table schema_version"), "{text}");
        connect(&fresh)
            .await
            .batch_execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor")
            .await
            .unwrap();
        let text = refusal(&theirs).await;
        assert!(
            text.contains("lacks a privilege: SELECT, INSERT and UPDATE on crawl, seed, session, host"),
            "{text}"
        );
    });
}

#[test]
fn a_user_who_may_read_and_write_the_tables_needs_no_other_right_to_work() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        Database::open(&fresh).await.unwrap().crawl_or_new("test").await.unwrap();
        let user = "DO $$ BEGIN CREATE ROLE worker LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO worker";
        connect(&fresh).await.batch_execute(user).await.unwrap();
        let (_, server) = fresh.split_once('@').unwrap();
        let database = Database::open(&format!("postgres://worker@{server}")).await.unwrap();
        let queue = database.crawl("test").await.unwrap().queue(BOUNDS);
        let session = queue.open_session("worker").await.unwrap();
        queue.renew(&session).await.unwrap();
        queue.commit(&session, Commit { seq: 1, ..Commit::default() }).await.unwrap();
        assert_eq!(queue.lease(&session, 1).await.unwrap(), []);
        assert_eq!((queue.workers().await.unwrap(), queue.reap().await.unwrap()), (1, 0));
    });
}

#[test]
fn tables_of_an_older_release_are_refused_with_what_to_do() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        Database::open(&fresh).await.unwrap();
        connect(&fresh).await.batch_execute("UPDATE schema_version SET version = 2").await.unwrap();
        let text = refusal(&fresh).await;
        assert!(
            text.contains("has tables of version 2, this release needs version 5; start the crawl again"),
            "{text}"
        );
    });
}

#[test]
fn tables_of_a_newer_release_are_left_alone() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        Database::open(&fresh).await.unwrap();
        connect(&fresh).await.batch_execute("UPDATE schema_version SET version = 99").await.unwrap();
        let text = refusal(&fresh).await;
        assert!(text.contains("has tables of version 99, this release knows up to 5"), "{text}");
    });
}

#[test]
fn workers_that_start_at_once_make_one_set_of_tables_and_one_crawl() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        let mut starting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let fresh = fresh.clone();
            starting.spawn(async move {
                let database = Database::open(&fresh).await.unwrap();
                database.crawl_or_new("news").await.unwrap().id
            });
        }
        assert_eq!(starting.join_all().await, [1; 8]);
        let database = Database::open(&fresh).await.unwrap();
        assert_eq!(database.crawls().await.unwrap(), ["news"]);
    });
}

#[test]
fn a_crawl_is_found_by_its_name_and_remembers_its_flags_and_seeds() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let database = Database::open(&fresh_database(url).await).await.unwrap();
        let Err(none) = database.crawl("news").await else { panic!("there is none") };
        assert!(
            none.to_string().contains("no crawl \"news\"") && none.to_string().ends_with("it has no crawls")
        );
        let news = database.crawl_or_new("news").await.unwrap();
        let shops = database.crawl_or_new("shops").await.unwrap();
        let Err(StoreError::NoCrawl { known, .. }) = database.crawl("new").await else {
            panic!("there is none")
        };
        assert_eq!(known, "its crawls are: news, shops");

        assert_eq!(news.settings().await.unwrap(), None);
        news.set_settings("{\"a\":1}").await.unwrap();
        news.set_settings("{\"a\":2}").await.unwrap();
        let seed = |line| frontier::seed::Seed::parse(line).unwrap().unwrap().task();
        let seeds = [seed("https://b.example"), seed("https://a.example/map.xml")];
        news.add_seeds(&seeds).await.unwrap();
        news.add_seeds(&seeds[..1]).await.unwrap();
        let news = database.crawl("news").await.unwrap();
        assert_eq!(news.settings().await.unwrap().as_deref(), Some("{\"a\":1}"));
        assert!(!shops.has_seeds().await.unwrap() && shops.settings().await.unwrap().is_none());

        assert!(news.has_seeds().await.unwrap());
        let mut claimed = news.claim_seeds(1).await.unwrap();
        claimed.extend(news.claim_seeds(100).await.unwrap());
        assert_eq!(claimed, [seeds[1].clone(), seeds[0].clone()]);
        assert_eq!(news.claim_seeds(100).await.unwrap(), [], "each seed is claimed once");
        assert!(news.has_new_seeds().await.unwrap());
        news.mark_seeds_added(&claimed).await.unwrap();
        assert!(news.has_seeds().await.unwrap() && !news.has_new_seeds().await.unwrap());
    });
}

#[test]
fn of_several_servers_the_one_that_answers_and_takes_writes_is_used() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        let (user, server) = fresh.split_once('@').unwrap();
        Database::open(&format!("{user}@127.0.0.1:1,{server}")).await.unwrap();
    });
}

/// Writes a server certificate for the name `db.example`, and the certificate of its issuer as `ca.pem` in `folder`.
fn certify(data: &Path, folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["db.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    fs::write(data.join("server.crt"), certificate.pem()).unwrap();
    fs::write(data.join("server.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(data.join("server.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let unrelated = rcgen::generate_simple_self_signed(vec!["db.example".to_owned()]).unwrap();
    fs::write(folder.join("unrelated.pem"), unrelated.cert.pem()).unwrap();
}

#[test]
fn tls_is_as_strict_as_the_address_asks() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["ssl=on"];
    let started = Server::start_with(&settings, |data| {
        certify(data, folder.path());
        Ok(())
    });
    let Some(server) = pgserver::or_skip(started) else { return };
    let (port, folder) = (server.port(), folder.path().display());
    // As in libpq, `hostaddr` gives the address of a host separately from its name.
    let by_name = format!("postgres://postgres@db.example:{port}/postgres?hostaddr=127.0.0.1");
    let by_address = format!("postgres://postgres@127.0.0.1:{port}/postgres?connect_timeout=5");
    let encrypted = async |query: &str, base: &str| {
        let database = Database::open(&format!("{base}&{query}")).await.map_err(|error| error.to_string())?;
        let connection = database.connection().await.unwrap();
        static SSL: LazyLock<Sql> =
            LazyLock::new(|| Sql::new("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", ""));
        let ssl = connection.prepare_and_query(&SSL, []).await;
        Ok::<bool, String>(ssl.unwrap()[0].get(0))
    };
    block_on(async {
        assert_eq!(encrypted("sslmode=disable", &by_address).await, Ok(false));
        for query in ["sslmode=prefer", "sslmode=require", "channel_binding=prefer"] {
            assert_eq!(encrypted(query, &by_address).await, Ok(true), "{query}");
        }
        let ca = format!("sslmode=verify-ca&sslrootcert={folder}/ca.pem");
        assert_eq!(encrypted(&ca, &by_address).await, Ok(true), "the name does not matter");
        let full = format!("sslmode=verify-full&sslrootcert={folder}/ca.pem");
        assert_eq!(encrypted(&full, &by_name).await, Ok(true));
        let refused = encrypted(&full, &by_address).await.unwrap_err();
        assert!(refused.contains("error performing TLS handshake: invalid peer certificate"), "{refused}");
        for mode in ["verify-ca", "verify-full", "require"] {
            let query = format!("sslmode={mode}&sslrootcert={folder}/unrelated.pem");
            let refused = encrypted(&query, &by_name).await.unwrap_err();
            assert!(refused.contains("invalid peer certificate"), "{mode}: {refused}");
        }
        let refused = encrypted("sslmode=verify-ca&sslrootcert=/nowhere.pem", &by_name).await.unwrap_err();
        assert!(refused.starts_with("failed to read root certificates from /nowhere.pem: "), "{refused}");
    });
}
