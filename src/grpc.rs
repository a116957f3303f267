//! The gRPC side: decode, call, encode.
