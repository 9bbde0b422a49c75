//! Statements whose parameters have names.

use std::fmt::Write as _;

use tokio_postgres::types::ToSql;

use super::error::Failure;

/// A value for the parameter of this name.
pub(super) type Parameter<'a> = (&'static str, &'a (dyn ToSql + Sync));

/// A statement of a file in `sql/`. Its parameters are written `:name`, as in psql.
///
/// `{columns}` in the file stands for the second argument, a list of columns that several statements read.
macro_rules! sql {
    ($path:literal) => {
        sql!($path, "")
    };
    ($path:literal, $columns:expr) => {{
        static SQL: std::sync::LazyLock<$crate::work_queue::postgres::sql::Sql> =
            std::sync::LazyLock::new(|| {
                $crate::work_queue::postgres::sql::Sql::new(include_str!($path), &$columns)
            });
        &*SQL
    }};
}

pub(super) use sql;

/// The text of a statement and the names of its parameters.
pub(super) struct Sql {
    /// The text as PostgreSQL wants it, with `$1`, `$2` and so on instead of the names.
    text: String,
    /// The names, in the order of these numbers.
    names: Vec<&'static str>,
}

impl Sql {
    pub(super) fn new(source: &'static str, columns: &str) -> Self {
        let (mut text, mut names) = (String::with_capacity(source.len() + columns.len()), Vec::new());
        let mut parts = source.split(':');
        text.push_str(parts.next().unwrap_or_default());
        let mut is_cast = false;
        for part in parts {
            let length = part.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(part.len());
            let (name, rest) = part.split_at(length);
            if is_cast || name.is_empty() {
                text.push(':');
                text.push_str(part);
                // `::type` consists of an empty part and the type.
                is_cast = !is_cast && part.is_empty();
                continue;
            }
            let position = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            let _ = write!(text, "${}{rest}", position + 1);
        }
        Self { text: text.replace("{columns}", columns), names }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The values of the parameters, in the order of their numbers. `given` may have values for other statements too.
    pub(super) fn values<'a>(&self, given: &[Parameter<'a>]) -> Result<Vec<&'a (dyn ToSql + Sync)>, Failure> {
        let value = |name: &&'static str| {
            let found = given.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| *value).ok_or(Failure::NoValue(name))
        };
        self.names.iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_and_casts_stay() {
        let sql =
            Sql::new("SELECT {columns}, :b FROM t WHERE a = :a::bigint AND b <> :b -- x: y", "t.a, t.c");
        assert_eq!(sql.text(), "SELECT t.a, t.c, $1 FROM t WHERE a = $2::bigint AND b <> $1 -- x: y");
        assert_eq!(sql.names, ["b", "a"]);
    }

    #[test]
    fn values_are_found_by_their_names() {
        let sql = Sql::new("VALUES (:b, :a)", "");
        let values = sql.values(&[("a", &1), ("other", &2), ("b", &3)]).unwrap();
        assert_eq!(format!("{values:?}"), "[3, 1]");
        let Err(Failure::NoValue(name)) = sql.values(&[("a", &1)]) else { panic!("b has no value") };
        assert_eq!(name, "b");
    }

    /// The texts of all statements, on one line each.
    fn statements() -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/work_queue/postgres/sql");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        files.map(|path| line(std::fs::read_to_string(path).unwrap())).collect()
    }

    /// The name in an expression such as `:name::text[]` or `new.name`; `None` for other expressions.
    fn name(expression: &str) -> Option<&str> {
        let expression = expression.trim().trim_end_matches(')');
        let name = expression.strip_prefix(':').or_else(|| expression.strip_prefix("new."))?;
        name.split([':', ',', ' ']).next()
    }

    #[test]
    fn each_value_is_written_to_the_column_of_its_name() {
        let mut pairs = Vec::new();
        for text in statements() {
            let arrays =
                text.find("unnest(:").and_then(|at| text[at + "unnest(".len()..].split_once(") AS "));
            if let Some((arrays, rest)) = arrays
                && let Some((_, rest)) = rest.split_once(" (")
            {
                let (columns, _) = rest.split_once(')').unwrap();
                pairs.extend(zip(columns, arrays));
            }
            if let Some((_, rest)) = text.split_once("INSERT INTO ")
                && let Some((columns, values)) =
                    rest.split_once(") SELECT ").or_else(|| rest.split_once(") VALUES ("))
            {
                let (_, columns) = columns.split_once('(').unwrap();
                pairs.extend(zip(columns, values.split(" FROM ").next().unwrap()));
            }
            let changes: Vec<&str> = text.split(" = new.").collect();
            for change in changes.windows(2) {
                let column = change[0].rsplit([' ', '.']).next().unwrap();
                pairs.push((column.to_owned(), change[1].split([',', ' ', ':']).next().unwrap().to_owned()));
            }
        }
        assert!(pairs.len() > 100, "the statements are not understood: {pairs:?}");
        let wrong: Vec<_> = pairs.iter().filter(|(column, value)| column != value).collect();
        assert!(wrong.is_empty(), "(column, value): {wrong:?}");
    }

    /// The columns of a list, each with the name of its value. Values without a name are left out.
    fn zip(columns: &str, values: &str) -> Vec<(String, String)> {
        let (columns, values): (Vec<&str>, Vec<&str>) = (columns.split(", ").collect(), split(values));
        assert_eq!(columns.len(), values.len(), "{columns:?} {values:?}");
        let named =
            columns.into_iter().zip(values).filter_map(|(column, value)| Some((column, name(value)?)));
        named.map(|(column, value)| (column.to_owned(), value.to_owned())).collect()
    }

    /// Splits at the commas that are not within parentheses.
    fn split(values: &str) -> Vec<&str> {
        let mut depth = 0;
        let outside = |c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        };
        values.split(outside).collect()
    }
}
