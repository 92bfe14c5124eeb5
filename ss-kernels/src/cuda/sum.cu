// The sum of partial results, in one order. Compiled at run time (NVRTC), for the GPU that is there.

// y[i] (+)= sum of parts[j][i] over j. Blocks of 256 threads: 32 values by 8 threads each.
extern "C" __global__ void sum_parts(const float* parts, float* y, int count, int len, int add) {
    __shared__ float sums[8][32];
    const int lane = threadIdx.x % 32, part = threadIdx.x / 32;
    for (int first = blockIdx.x * 32; first < len; first += gridDim.x * 32) {
        const int i = first + lane;
        float sum = 0.f;
        if (i < len) {
#pragma unroll 4
            for (int j = part; j < count; j += 8) sum += parts[(size_t)j * len + i];
        }
        sums[part][lane] = sum;
        __syncthreads();
        if (part == 0 && i < len) {
            float total = add ? y[i] : 0.f;
            for (int j = 0; j < 8; ++j) total += sums[j][lane];
            y[i] = total;
        }
        __syncthreads();
    }
}
