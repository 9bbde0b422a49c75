//! The tables: whether they are there, whether they are ours, and how they come to be.
//!
//! All migrations that are missing are made in one transaction, with the row of `schema_version` locked: of several
//! workers that start at once one makes them, and a failure leaves nothing behind.

use super::connection::{Connection, value};
use super::error::{Failure, StoreError};

/// The oldest server that will do.
const SERVER_VERSION_MIN: i32 = 15;

/// What brings the tables from each version to the next.
const MIGRATIONS: [&str; 2] =
    [include_str!("sql/migrations/0001.sql"), include_str!("sql/migrations/0002.sql")];

/// The version of the tables that this release reads and writes.
pub(super) const SCHEMA_VERSION: i32 = MIGRATIONS.len() as i32;

/// What a server says of itself and of the place where the tables are or shall be.
struct Server {
    version: i32,
    version_text: String,
    is_read_only: bool,
    schema: Option<String>,
    may_create: bool,
    tables: Option<String>,
    is_ours: bool,
}

/// Makes sure that the tables are there and can be used.
pub(super) async fn make_ready(mut connection: Connection, place: &str) -> Result<(), StoreError> {
    let server = look(&connection).await.map_err(|failure| failure.into_store_error(place))?;
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
    let found = migrate(&mut connection, server.is_ours).await;
    let found = found.map_err(|failure| failure.into_store_error(&place))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { place, found, known: SCHEMA_VERSION });
    }
    let missing = missing_rights(&connection).await.map_err(|failure| failure.into_store_error(&place))?;
    match missing {
        Some(tables) => {
            Err(StoreError::MissingRights { place, what: format!("reading and writing of {tables}") })
        }
        None => Ok(()),
    }
}

async fn look(connection: &Connection) -> Result<Server, Failure> {
    let rows = connection.ask(include_str!("sql/server.sql"), []).await?;
    let row = rows.first().ok_or_else(|| Failure::Damaged("the server says nothing of itself".to_owned()))?;
    Ok(Server {
        version: value(row, 0)?,
        version_text: value(row, 1)?,
        is_read_only: value(row, 2)?,
        schema: value(row, 3)?,
        may_create: value(row, 4)?,
        tables: value(row, 5)?,
        is_ours: value(row, 6)?,
    })
}

/// Makes the migrations that are missing; gives the version that is there then.
async fn migrate(connection: &mut Connection, is_ours: bool) -> Result<i32, Failure> {
    if is_ours {
        let version = version(connection, include_str!("sql/schema_version_read.sql")).await?;
        if version >= SCHEMA_VERSION {
            return Ok(version);
        }
    }
    connection.enter_transaction();
    connection.begin().await?;
    if !is_ours {
        connection.run(include_str!("sql/schema_version_create.sql")).await?;
    }
    let before = version(connection, include_str!("sql/schema_version_lock.sql")).await?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(before).unwrap_or(0)) {
        connection.run(migration).await?;
    }
    let after = before.max(SCHEMA_VERSION);
    let write = connection.prepare(include_str!("sql/schema_version_write.sql")).await?;
    connection.execute(&write, [&after]).await?;
    connection.commit().await?;
    connection.leave_transaction();
    Ok(after)
}

async fn version(connection: &Connection, sql: &str) -> Result<i32, Failure> {
    let rows = connection.ask(sql, []).await?;
    let row = rows.first().ok_or_else(|| Failure::Damaged("schema_version is empty".to_owned()))?;
    Ok(value(row, 0)?)
}

async fn missing_rights(connection: &Connection) -> Result<Option<String>, Failure> {
    let rows = connection.ask(include_str!("sql/rights.sql"), []).await?;
    Ok(rows.first().map(|row| value(row, 0)).transpose()?.flatten())
}
