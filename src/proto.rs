//! The generated protobuf code.
