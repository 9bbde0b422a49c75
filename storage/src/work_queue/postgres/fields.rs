//! Reads the values of a row by the names of their columns.

use frontier::Timestamp;
use serde::Deserialize;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::Failure;
use super::values::{number, timestamp, unsigned};
use crate::codec;

/// The values of one row.
///
/// Each call takes the name of a column. It fails if the column is missing or its value is invalid.
pub(super) struct Fields<'a> {
    /// The table of the row, for error messages.
    table: &'static str,
    row: &'a Row,
    /// The position after the column that was read last. Columns are normally read in the order of the statement, so a
    /// read takes one comparison, not a search.
    next: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(table: &'static str, row: &'a Row) -> Self {
        Self { table, row, next: 0 }
    }

    pub(super) fn get<T: FromSql<'a>>(&mut self, column: &str) -> Result<T, Failure> {
        let Some(position) = self.position(column) else {
            return Err(Failure::damaged(self.table, column));
        };
        self.row.try_get(position).map_err(|error| Failure::unreadable(self.table, column, &error))
    }

    fn position(&mut self, column: &str) -> Option<usize> {
        let columns = self.row.columns();
        let position = match columns.get(self.next) {
            Some(next) if next.name() == column => self.next,
            _ => columns.iter().position(|known| known.name() == column)?,
        };
        self.next = position + 1;
        Some(position)
    }

    pub(super) fn time(&mut self, column: &str) -> Result<Timestamp, Failure> {
        self.get(column).map(timestamp)
    }

    pub(super) fn time_if_any(&mut self, column: &str) -> Result<Option<Timestamp>, Failure> {
        Ok(self.get::<Option<_>>(column)?.map(timestamp))
    }

    pub(super) fn count(&mut self, column: &str) -> Result<u64, Failure> {
        self.get(column).map(unsigned)
    }

    /// The number of a session or segment.
    pub(super) fn number(&mut self, column: &str) -> Result<u32, Failure> {
        self.get(column).map(number)
    }

    pub(super) fn number_if_any(&mut self, column: &str) -> Result<Option<u32>, Failure> {
        Ok(self.get::<Option<_>>(column)?.map(number))
    }

    /// An integer that must fit into `T`.
    pub(super) fn fitting<T: TryFrom<S>, S: FromSql<'a>>(&mut self, column: &str) -> Result<T, Failure> {
        T::try_from(self.get::<S>(column)?).map_err(|_| Failure::damaged(self.table, column))
    }

    /// A record that was stored as bytes.
    pub(super) fn decoded<T: Deserialize<'a>>(&mut self, column: &str) -> Result<T, Failure> {
        Ok(codec::decode(self.get(column)?)?)
    }

    pub(super) fn decoded_if_any<T: Deserialize<'a>>(&mut self, column: &str) -> Result<Option<T>, Failure> {
        Ok(self.get::<Option<&[u8]>>(column)?.map(codec::decode).transpose()?)
    }
}
