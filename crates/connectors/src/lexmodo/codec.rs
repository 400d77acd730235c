//! Messages as bytes: an answer is kept undecoded, because it is read by two descriptions where the operator gives one.

use std::marker::PhantomData;

use bytes::{Buf as _, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Sends `M`, and hands out what comes back as it came, without copying it.
pub(super) struct Undecoded<M>(PhantomData<M>);

impl<M> Undecoded<M> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M: Message + 'static> Codec for Undecoded<M> {
    type Encode = M;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Raw;

    fn encoder(&mut self) -> Self {
        Self::new()
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl<M: Message> Encoder for Undecoded<M> {
    type Item = M;
    type Error = Status;

    fn encode(&mut self, message: M, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|_| Status::internal("the request does not fit"))
    }
}

/// The decoder that does not decode.
pub(super) struct Raw;

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
