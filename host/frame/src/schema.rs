//! Connect schemas as they cross the boundary: children are named by id, so a schema is small, and
//! equal schemas have equal ids within one task.

/// What a [`Schema`] describes: the types of Kafka Connect's `Schema.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE 754 single precision.
    Float32,
    /// IEEE 754 double precision.
    Float64,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    String,
    /// Bytes.
    Bytes,
    /// Items of one schema.
    Array,
    /// Pairs of a key schema and a value schema.
    Map,
    /// Named fields in a fixed order.
    Struct,
}

impl Kind {
    /// The constant of Kafka Connect's `Schema.Type`, as messages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array => "ARRAY",
            Self::Map => "MAP",
            Self::Struct => "STRUCT",
        }
    }
}

/// Id of an interned schema within one task; 0 stands for "no schema".
pub type SchemaId = u32;

/// One field of a struct schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Name, unique in its struct.
    pub name: String,
    /// Schema of the field's value.
    pub schema: SchemaId,
}

/// A Connect schema (Kafka Connect's `ConnectSchema`). Equality covers every attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schema {
    /// The type.
    pub kind: Kind,
    /// Whether null is a legal value.
    pub optional: bool,
    /// Full name; logical types are known by it (see [`logical`]).
    pub name: Option<String>,
    /// Version of the named schema.
    pub version: Option<i32>,
    /// Documentation.
    pub doc: Option<String>,
    /// Parameters of the named schema in the order given, such as `scale` of a Decimal.
    pub parameters: Vec<(String, String)>,
    /// Default value, laid out as a value of this schema (`wit/FRAME.md`, Rows).
    pub default: Option<Vec<u8>>,
    /// Fields of a struct.
    pub fields: Vec<Field>,
    /// Key schema of a map.
    pub key: Option<SchemaId>,
    /// Item schema of an array, value schema of a map.
    pub value: Option<SchemaId>,
}

impl Schema {
    /// A required schema of `kind` with no other attribute.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
            fields: Vec::new(),
            key: None,
            value: None,
        }
    }

    /// The same schema, with null allowed.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Position of the field called `name`.
    #[must_use]
    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Whether this is the logical type `name`.
    #[must_use]
    pub fn is_logical(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}

/// Names of Connect's logical types; each has version 1.
pub mod logical {
    /// Bytes: big-endian two's-complement unscaled value, with parameter `scale`.
    pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
    /// Int32: days since the epoch.
    pub const DATE: &str = "org.apache.kafka.connect.data.Date";
    /// Int32: milliseconds after midnight.
    pub const TIME: &str = "org.apache.kafka.connect.data.Time";
    /// Int64: milliseconds since the epoch.
    pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
}
