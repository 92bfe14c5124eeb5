//! Operations recorded once and replayed as one.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Device, Result, bail};

/// What a GPU has been told to do, as a CUDA graph: a step of a small network is a thousand launches and allocations, which take
/// the host longer than the GPU, and one launch when they are replayed.
///
/// A recording holds addresses: what it reads and writes beside its own intermediate results must lie in tensors that live as long as it does and keep
/// their memory, else it reads and writes what the GPU has given to others. Kept by the thread that recorded it; no other thread may use
/// the device while it records.
pub struct Recording {
    graph: CudaGraph,
}

impl Recording {
    /// Runs `operations` once on `device` as usual, so that everything a recording cannot do has been done before: kernels are compiled and
    /// small constants uploaded.
    ///
    /// # Errors
    /// A device that is no GPU; errors of `operations`.
    pub fn rehearse<T, E: From<candle_core::Error>>(
        device: &Device,
        operations: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let cuda = device.as_cuda_device().map_err(E::from)?;
        let _constants = cuda.enable_cuda_graph_htod_cache();
        operations()
    }

    /// Records `operations` without carrying them out. They must have been [rehearsed](Self::rehearse) on this thread with the same shapes, may not read
    /// anything back to the host, and may leave nothing behind but what they write into tensors that exist already.
    ///
    /// # Errors
    /// A device that is no GPU of [`open_gpu`](crate::open_gpu); operations that cannot be recorded; their own errors.
    pub fn new<E: From<candle_core::Error>>(
        device: &Device,
        operations: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let cuda = device.as_cuda_device().map_err(E::from)?;
        if cuda.is_event_tracking() {
            return Err(E::from(refused()));
        }
        let capture = Capture::begin(cuda).map_err(E::from)?;
        let _constants = cuda.enable_cuda_graph_htod_cache();
        operations()?;
        Ok(Self { graph: capture.end().map_err(E::from)? })
    }

    /// Carries the recorded operations out, after all that the device has been told before.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn replay(&self) -> Result<()> {
        self.graph.launch().w()
    }
}

fn refused() -> candle_core::Error {
    candle_core::Error::Msg(
        "recording: the GPU must have been opened by open_gpu, without event tracking".into(),
    )
}

/// A capture under way, which an error ends too.
struct Capture(Option<Arc<CudaStream>>);

impl Capture {
    fn begin(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream();
        // Other threads may work with their own devices meanwhile.
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).w()?;
        Ok(Self(Some(stream)))
    }

    fn end(mut self) -> Result<CudaGraph> {
        let Some(stream) = self.0.take() else { bail!("recording: ended twice") };
        match ended(&stream)? {
            Some(graph) => {
                graph.upload().w()?;
                Ok(graph)
            }
            None => bail!("recording: nothing was recorded"),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            // What was recorded up to an error is thrown away, and so is what ending it has to complain of.
            drop(ended(&stream));
            let _ = stream.context().check_err();
        }
    }
}

fn ended(stream: &Arc<CudaStream>) -> Result<Option<CudaGraph>> {
    // An operation that cannot be recorded lets tensors fail to free their memory: those errors wait in the context, and the stream would
    // report them instead of ending the capture.
    let _ = stream.context().check_err();
    stream.end_capture(CUgraphInstantiate_flags(0)).w()
}
