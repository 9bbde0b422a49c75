//! Many rows as one array per column, so that one statement writes all of them.

use tokio_postgres::types::ToSql;

use super::sql::Parameter;
use crate::codec::CodecError;

/// The values of a column, one for each row.
pub(super) type Array = Box<dyn ToSql + Sync + Send>;

/// Rows for one statement. Each of its columns is the value of the parameter of that name.
pub(super) struct Columns {
    /// Number of rows.
    rows: usize,
    /// The columns by name. Each has a value for every row.
    columns: Vec<(&'static str, Array)>,
}

impl Columns {
    /// Turns `rows` into the given columns, which [`array()`] and [`try_array()`] make of the same rows.
    pub(super) fn of<R>(rows: &[R], columns: Vec<(&'static str, Array)>) -> Self {
        Self { rows: rows.len(), columns }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = Parameter<'_>> {
        self.columns.iter().map(|(name, array)| (*name, &**array as &(dyn ToSql + Sync)))
    }
}

/// A column with one value for each of `rows`.
pub(super) fn array<'r, R, V>(rows: &'r [R], value: impl Fn(&'r R) -> V) -> Array
where
    V: ToSql + Sync + Send + 'static,
{
    Box::new(rows.iter().map(value).collect::<Vec<V>>())
}

/// Like [`array()`], with values that are encoded.
pub(super) fn try_array<'r, R, V>(
    rows: &'r [R],
    value: impl Fn(&'r R) -> Result<V, CodecError>,
) -> Result<Array, CodecError>
where
    V: ToSql + Sync + Send + 'static,
{
    Ok(Box::new(rows.iter().map(value).collect::<Result<Vec<V>, _>>()?))
}
