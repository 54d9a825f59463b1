//! How messages are framed: one postcard value fills a stream, and no stream is longer than the
//! limit. Bytes that are no message end the stream, never the process.

use crate::bug::Bugs;
use futures::{AsyncReadExt, AsyncWriteExt, io::AsyncRead, io::AsyncWrite};
use libp2p::{StreamProtocol, request_response};
use serde::de::DeserializeOwned;
use std::io;
use wire::{
    limits::MESSAGE_BYTES_MAX,
    message::{Envelope, Request, Response},
};

/// The codec of `/directory/1`.
#[derive(Clone, Debug, Default)]
pub struct Codec {
    /// Planted bugs: replies may be corrupted.
    pub bugs: Bugs,
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Envelope<Request>;
    type Response = Envelope<Response>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Self::Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Self::Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Self::Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&wire::encode(&request)).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Self::Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let mut bytes = wire::encode(&response);
        self.bugs.corrupt(&mut bytes);
        io.write_all(&bytes).await
    }
}

async fn read<M: DeserializeOwned>(io: &mut (impl AsyncRead + Unpin)) -> io::Result<M> {
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there was too much.
    io.take(MESSAGE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .await?;
    wire::decode(&bytes, MESSAGE_BYTES_MAX)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
