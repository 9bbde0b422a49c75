//! Checks that the tables exist and belong to this application, and creates them.
//!
//! The tables are created in one transaction, with the row of `schema_version` locked. Of several workers that start
//! at the same time one creates them, and a failure leaves nothing behind.

use std::cmp::Ordering;

use super::connection::Connection;
use super::error::{Failure, StoreError};
use super::fields::Fields;
use super::sql::{Sql, sql};

/// The oldest supported major version of PostgreSQL.
const SERVER_VERSION_MIN: i32 = 15;

/// The version of the tables that this release reads and writes. Every change of the tables before release 0.1.0
/// raises it, and older tables are refused.
pub(super) const SCHEMA_VERSION: i32 = 5;

/// Facts about a server and the schema for the tables.
struct Server {
    version: i32,
    version_text: String,
    is_read_only: bool,
    schema: Option<String>,
    may_create: bool,
    tables: Option<String>,
    is_ours: bool,
}

/// Creates the tables if there are none, and checks that they can be used.
pub(super) async fn ensure_tables(mut connection: Connection, place: &str) -> Result<(), StoreError> {
    let server = server_info(&connection).await.map_err(|failure| failure.into_store_error(place))?;
    let place = place.to_owned();
    if server.version / 10_000 < SERVER_VERSION_MIN {
        return Err(StoreError::TooOld { place, found: server.version_text, needed: SERVER_VERSION_MIN });
    }
    if server.is_read_only {
        return Err(StoreError::ReadOnly { place });
    }
    if !server.is_ours {
        if let Some(tables) = server.tables {
            return Err(StoreError::Foreign { place, tables });
        }
        if !server.may_create {
            let schema = server.schema.unwrap_or_else(|| "public".to_owned());
            return Err(StoreError::MissingRights { place, what: format!("CREATE on schema {schema}") });
        }
    }
    let found = find_or_create(&mut connection, server.is_ours).await;
    let found = found.map_err(|failure| failure.into_store_error(&place))?;
    match found.cmp(&SCHEMA_VERSION) {
        Ordering::Less => return Err(StoreError::Older { place, found, known: SCHEMA_VERSION }),
        Ordering::Greater => return Err(StoreError::Newer { place, found, known: SCHEMA_VERSION }),
        Ordering::Equal => {}
    }
    let missing = missing_rights(&connection).await.map_err(|failure| failure.into_store_error(&place))?;
    match missing {
        Some(tables) => {
            Err(StoreError::MissingRights { place, what: format!("SELECT, INSERT and UPDATE on {tables}") })
        }
        None => Ok(()),
    }
}

async fn server_info(connection: &Connection) -> Result<Server, Failure> {
    let rows = connection.prepare_and_query(sql!("sql/server.sql"), []).await?;
    let row = rows
        .first()
        .ok_or_else(|| Failure::Damaged("the server returned no information about itself".to_owned()))?;
    let mut server = Fields::of("server", row);
    Ok(Server {
        version: server.get("version")?,
        version_text: server.get("version_text")?,
        is_read_only: server.get("is_read_only")?,
        schema: server.get("schema")?,
        may_create: server.get("may_create")?,
        tables: server.get("tables")?,
        is_ours: server.get("is_ours")?,
    })
}

/// Creates the tables if there are none. Returns the version of the tables.
async fn find_or_create(connection: &mut Connection, is_ours: bool) -> Result<i32, Failure> {
    if is_ours {
        let version = version(connection, sql!("sql/schema_version_read.sql")).await?;
        if version > 0 {
            return Ok(version);
        }
    }
    connection.enter_transaction();
    connection.begin().await?;
    if !is_ours {
        connection.batch_execute(include_str!("sql/schema_version_create.sql")).await?;
    }
    let mut version = version(connection, sql!("sql/schema_version_lock.sql")).await?;
    if version == 0 {
        connection.batch_execute(include_str!("sql/tables.sql")).await?;
        let write = connection.prepare(sql!("sql/schema_version_write.sql")).await?;
        connection.execute(&write, [("version", &SCHEMA_VERSION)]).await?;
        version = SCHEMA_VERSION;
    }
    connection.commit().await?;
    connection.leave_transaction();
    Ok(version)
}

async fn version(connection: &Connection, sql: &'static Sql) -> Result<i32, Failure> {
    let rows = connection.prepare_and_query(sql, []).await?;
    let row = rows.first().ok_or_else(|| Failure::Damaged("schema_version is empty".to_owned()))?;
    Fields::of("schema_version", row).get("version")
}

async fn missing_rights(connection: &Connection) -> Result<Option<String>, Failure> {
    let rows = connection.prepare_and_query(sql!("sql/rights.sql"), []).await?;
    let tables = rows.first().map(|row| Fields::of("pg_class", row).get("tables"));
    Ok(tables.transpose()?.flatten())
}
