//! `record!`: a struct of optional texts that can also be walked as a list.

/// Declares a record: a struct whose fields are all `Option<&str>`, with `FIELDS`, `values` and `from_values`.
///
/// Storage and exports walk `FIELDS` and `values` instead of listing the fields again. A key is the field's name, or the
/// text after `as` where the XML name is a Rust keyword. Fields under `lists` belong to the struct alone: `values` does
/// not give them and `from_values` leaves them empty.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $field:ident $(as $key:literal)?, )*
            $( ; lists { $( $(#[$list_meta:meta])* $list:ident: $list_type:ty, )* } )?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a> {
            $( $(#[$field_meta])* pub $field: Option<&'a str>, )*
            $( $( $(#[$list_meta])* pub $list: $list_type, )* )?
        }

        impl<'a> $name<'a> {
            /// Keys of the single values, in the order of [`Self::values`].
            pub const FIELDS: [&'static str; [$( stringify!($field) ),*].len()] =
                [$( record!(@key $field $($key)?) ),*];

            /// The single values, in the order of [`Self::FIELDS`].
            pub fn values(&self) -> [Option<&'a str>; $name::<'static>::FIELDS.len()] {
                [$( self.$field ),*]
            }

            /// The record with these single values, given in the order of [`Self::FIELDS`]; its lists are empty.
            pub fn from_values(values: [Option<&'a str>; $name::<'static>::FIELDS.len()]) -> Self {
                let [$( $field ),*] = values;
                Self { $( $field, )* $( $( $list: Vec::new(), )* )? }
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}

pub(crate) use record;
