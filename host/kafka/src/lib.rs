//! Everything that talks to Kafka: the only crate that sees rdkafka.
