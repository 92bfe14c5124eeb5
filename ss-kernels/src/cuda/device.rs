//! A GPU set up for training.

use candle_core::Device;
use candle_core::Result;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::result;
use candle_core::cuda_backend::cudarc::driver::sys::CUmemPool_attribute;

/// The GPU number `ordinal` with a stream of its own, for all threads that use it.
///
/// Two things that training pays for at every operation are left out. Freed memory stays with the program instead of going back to the driver
/// whenever the host waits for the device. And uses of a tensor are not recorded for other streams: what is computed on one such
/// device must reach another one through the host (`to_device` of the CPU first), also where both are the same GPU.
///
/// # Errors
/// Those of the driver: none there, no GPU of this number.
pub fn open_gpu(ordinal: usize) -> Result<Device> {
    let device = Device::new_cuda_with_stream(ordinal)?;
    let cuda = device.as_cuda_device()?;
    // SAFETY: tensors of this device are used on its one stream alone, in the order of the calls: memory is taken, used and given back
    // there. The documentation above says so to those who have several devices.
    unsafe { cuda.disable_event_tracking() };
    let mut keep = u64::MAX;
    let number = result::device::get(ordinal as i32).w()?;
    // SAFETY: the device is open, its default pool lives as long as its context, and the attribute is 64 bits.
    unsafe {
        // A GPU without pools has nothing to keep.
        if let Ok(pool) = result::device::get_default_mem_pool(number) {
            let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            result::mem_pool::set_attribute(pool, attribute, (&raw mut keep).cast()).w()?;
        }
    }
    Ok(device)
}
