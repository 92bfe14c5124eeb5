//! From tensors to the arguments of kernels, and back.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::cublas::sys::cublasOperation_t;
use candle_core::cuda_backend::cudarc::cublas::{Gemm, GemmConfig, StridedBatchedConfig};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, CudaView, CudaViewMut, LaunchArgs, LaunchConfig,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDevice, CudaStorage, DeviceId, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{Layout, Result, Shape, Storage, Tensor, bail};

/// Threads of a block of every kernel that goes over values.
const THREADS: usize = 256;
/// Blocks beyond which threads take several values: some for each multiprocessor of any GPU.
const MOST_BLOCKS: usize = 4096;

/// A pointer to nothing.
pub(super) const NULL: u64 = 0;

/// One file of kernels.
#[derive(Clone, Copy)]
pub(super) struct Kernels {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
}

impl Kernels {
    /// The kernel `name`, compiled for this device. Names are unique over all files.
    pub(super) fn get(&self, device: &CudaDevice, name: &'static str) -> Result<Kernel> {
        thread_local! {
            /// Asked for at every launch: a search without locks, formatting and questions to the driver.
            static KNOWN: RefCell<HashMap<(DeviceId, &'static str), Kernel>> = RefCell::default();
        }
        let key = (device.id(), name);
        if let Some(kernel) = KNOWN.with_borrow(|known| known.get(&key).cloned()) {
            return Ok(kernel);
        }
        let stream = device.cuda_stream();
        let (major, minor) = stream.context().compute_capability().w()?;
        let module = format!("ss-kernels-{}-{major}{minor}", self.name);
        let ptx = self.compiled(&module, &format!("{major}{minor}"))?;
        let function = (*device.get_or_load_custom_func(name, &module, ptx)?).clone();
        let kernel = Kernel { function, stream };
        KNOWN.with_borrow_mut(|known| known.insert(key, kernel.clone()));
        Ok(kernel)
    }

    /// The PTX of this file, compiled once a process for each kind of GPU.
    pub(super) fn compiled(&self, module: &str, capability: &str) -> Result<&'static str> {
        static COMPILED: Mutex<Option<HashMap<String, &'static str>>> = Mutex::new(None);
        let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        if let Some(ptx) = known.get(module) {
            return Ok(ptx);
        }
        let options = CompileOptions {
            options: vec![format!("--gpu-architecture=compute_{capability}")],
            name: Some(format!("{}.cu", self.name)),
            ..CompileOptions::default()
        };
        match compile_ptx_with_opts(self.source, options) {
            // Kept for as long as the program runs, as the device keeps its modules.
            Ok(ptx) => Ok(known.entry(module.to_owned()).or_insert(ptx.to_src().leak())),
            Err(error) => bail!("compiling {}.cu for compute capability {capability}: {error:?}", self.name),
        }
    }
}

/// A kernel and the stream that it runs on.
#[derive(Clone)]
pub(super) struct Kernel {
    function: CudaFunction,
    stream: Arc<CudaStream>,
}

impl Kernel {
    /// Takes arguments.
    pub(super) fn builder(&self) -> LaunchArgs<'_> {
        self.stream.launch_builder(&self.function)
    }
}

/// One thread for each of `values`, or for several of them.
pub(super) fn over(values: usize) -> LaunchConfig {
    let blocks = values.div_ceil(THREADS).clamp(1, MOST_BLOCKS) as u32;
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS as u32, 1, 1), shared_mem_bytes: 0 }
}

/// Blocks of `threads` threads in a grid.
pub(super) fn grid(x: usize, y: usize, threads: usize) -> LaunchConfig {
    let (x, y, threads) = (x as u32, y as u32, threads as u32);
    LaunchConfig { grid_dim: (x, y, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// The values of a contiguous tensor on a GPU.
pub(super) fn values<'a>(storage: &'a Storage, layout: &Layout) -> Result<CudaView<'a, f32>> {
    match storage {
        Storage::Cuda(storage) => view(storage, layout),
        _ => bail!("expected a tensor on a GPU, found one on another device"),
    }
}

/// As [`values`].
pub(super) fn view<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, f32>> {
    let Some((from, to)) = layout.contiguous_offsets() else {
        bail!("expected a contiguous tensor, found {layout:?}");
    };
    Ok(storage.as_cuda_slice::<f32>()?.slice(from..to))
}

/// The device that a tensor lies on.
pub(super) fn device_of(t: &Tensor) -> Result<CudaDevice> {
    Ok(t.device().as_cuda_device()?.clone())
}

/// Values as a tensor outside any graph.
pub(super) fn tensor(values: CudaSlice<f32>, device: &CudaDevice, shape: impl Into<Shape>) -> Tensor {
    Tensor::from_storage(Storage::Cuda(storage(values, device)), shape, BackpropOp::none(), false)
}

/// Values as candle holds them.
pub(super) fn storage(values: CudaSlice<f32>, device: &CudaDevice) -> CudaStorage {
    CudaStorage::wrap_cuda_slice(values, device.clone())
}

/// A buffer of `len` values that the next kernel writes whole.
pub(super) fn buffer(device: &CudaDevice, len: usize) -> Result<CudaSlice<f32>> {
    // SAFETY: every caller's kernel writes all `len` values before anything reads them, and f32 has no invalid bits.
    unsafe { device.alloc::<f32>(len) }
}

/// The device of an operand.
pub(super) fn device_in(storage: &CudaStorage) -> CudaDevice {
    storage.device().clone()
}

/// A matrix in row-major order: `rows` x `columns`, `stride` values from a row to the next one.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
    /// Values from one matrix of a batch to the next; 0 for one that all share.
    pub(super) batch: usize,
}

impl Matrix {
    /// Rows that follow one another.
    pub(super) fn packed(rows: usize, columns: usize, batch: usize) -> Self {
        Self { rows, columns, stride: columns, batch }
    }

    /// The values from the first of `count` of them to behind the last.
    fn span(&self, count: usize) -> usize {
        (count - 1) * self.batch + (self.rows - 1) * self.stride + self.columns
    }
}

/// Which operand of a product is read transposed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transposed {
    Neither,
    Left,
    Right,
}

/// `c = op(a) op(b)` for each of `count` matrices in row-major order, in f32 by cuBLAS.
pub(super) fn products(
    device: &CudaDevice,
    count: usize,
    transposed: Transposed,
    (a, a_shape): (&CudaView<'_, f32>, Matrix),
    (b, b_shape): (&CudaView<'_, f32>, Matrix),
    (c, c_shape): (&mut CudaViewMut<'_, f32>, Matrix),
) -> Result<()> {
    let (left, right) = (transposed == Transposed::Left, transposed == Transposed::Right);
    let inner = if left { a_shape.rows } else { a_shape.columns };
    let fits = inner == if right { b_shape.columns } else { b_shape.rows }
        && c_shape.rows == if left { a_shape.columns } else { a_shape.rows }
        && c_shape.columns == if right { b_shape.rows } else { b_shape.columns };
    let inside =
        a.len() >= a_shape.span(count) && b.len() >= b_shape.span(count) && c.len() >= c_shape.span(count);
    if !fits || !inside {
        bail!("matrix product: the operands do not fit each other or their memory");
    }
    let op =
        |transposed| if transposed { cublasOperation_t::CUBLAS_OP_T } else { cublasOperation_t::CUBLAS_OP_N };
    // cuBLAS counts by columns: what it takes for c transposed is op(b) transposed times op(a) transposed.
    let gemm = GemmConfig {
        transa: op(right),
        transb: op(left),
        m: c_shape.columns as i32,
        n: c_shape.rows as i32,
        k: inner as i32,
        alpha: 1.0f32,
        lda: b_shape.stride as i32,
        ldb: a_shape.stride as i32,
        beta: 0.0,
        ldc: c_shape.stride as i32,
    };
    let config = StridedBatchedConfig {
        gemm,
        batch_size: count as i32,
        stride_a: b_shape.batch as i64,
        stride_b: a_shape.batch as i64,
        stride_c: c_shape.batch as i64,
    };
    // SAFETY: the shapes fit each other, and all `count` matrices lie inside their buffers: checked above.
    unsafe { device.cublas_handle().gemm_strided_batched(config, b, a, c) }.w()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_span_their_memory() {
        assert_eq!(Matrix::packed(2, 3, 6).span(4), 24);
        assert_eq!(Matrix { rows: 2, columns: 3, stride: 10, batch: 0 }.span(4), 13);
    }
}
