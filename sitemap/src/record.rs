//! The `record!` macro: a struct of optional texts that can also be iterated as a list.

/// Declares a record: a struct whose fields are all `Option<&str>`, with `FIELDS`, `values` and `from_values`, and a
/// second struct with the same fields that owns its texts.
///
/// Storage and exports iterate over `FIELDS` and `values` instead of listing the fields again. A key is the name of
/// the field, or the text after `as` where the XML name is a Rust keyword. Fields under `texts` (lists of texts) and
/// `lists` (lists of other records) are fields of the structs only: `values` does not return them and `from_values`
/// leaves them empty.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident, $owned_name:ident {
            $( $(#[$field_meta:meta])* $field:ident $(as $key:literal)?, )*
            $( ; texts { $( $(#[$texts_meta:meta])* $texts:ident, )* } )?
            $( ; lists { $( $(#[$list_meta:meta])* $list:ident: $item:ident, $owned_item:ident; )* } )?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a> {
            $( $(#[$field_meta])* pub $field: Option<&'a str>, )*
            $( $( $(#[$texts_meta])* pub $texts: Vec<&'a str>, )* )?
            $( $( $(#[$list_meta])* pub $list: Vec<$item<'a>>, )* )?
        }

        impl<'a> $name<'a> {
            /// Keys of the values, in the order of [`Self::values`].
            pub const FIELDS: [&'static str; [$( stringify!($field) ),*].len()] =
                [$( record!(@key $field $($key)?) ),*];

            /// The values of all fields but lists, in the order of [`Self::FIELDS`].
            pub fn values(&self) -> [Option<&'a str>; $name::<'static>::FIELDS.len()] {
                [$( self.$field ),*]
            }

            /// Creates a record from values in the order of [`Self::FIELDS`]; its lists are empty.
            pub fn from_values(values: [Option<&'a str>; $name::<'static>::FIELDS.len()]) -> Self {
                let [$( $field ),*] = values;
                Self {
                    $( $field, )*
                    $( $( $texts: Vec::new(), )* )?
                    $( $( $list: Vec::new(), )* )?
                }
            }
        }

        #[doc = concat!("Like [`", stringify!($name), "`], but owns its texts.")]
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $owned_name {
            $( $(#[$field_meta])* pub $field: Option<String>, )*
            $( $( $(#[$texts_meta])* pub $texts: Vec<String>, )* )?
            $( $( $(#[$list_meta])* pub $list: Vec<$owned_item>, )* )?
        }

        impl $owned_name {
            /// The same record with borrowed texts.
            pub fn as_borrowed(&self) -> $name<'_> {
                $name {
                    $( $field: self.$field.as_deref(), )*
                    $( $( $texts: self.$texts.iter().map(String::as_str).collect(), )* )?
                    $( $( $list: self.$list.iter().map($owned_item::as_borrowed).collect(), )* )?
                }
            }
        }

        impl From<&$name<'_>> for $owned_name {
            fn from(borrowed: &$name<'_>) -> Self {
                Self {
                    $( $field: borrowed.$field.map(str::to_owned), )*
                    $( $( $texts: borrowed.$texts.iter().map(|&text| text.to_owned()).collect(), )* )?
                    $( $( $list: borrowed.$list.iter().map($owned_item::from).collect(), )* )?
                }
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}

pub(crate) use record;
