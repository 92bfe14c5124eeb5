// Convolution by unfolding: the parts that are not matrix products. Compiled at run time (NVRTC), for the GPU that is there.
//
// Images are [n, c, h, w]. One call handles `images` of them, so that the unfolded input stays small. Counts of values fit 32 bits: the
// host cuts the batch so. Every sum has one order: results are the same bits from run to run.

struct Geometry {
    int images, c, h, w, o, oh, ow, kh, kw, stride, padding;
};

// One thread for each channel of each output pixel: its kh * kw inputs, zero outside the image.
// by_image: columns [image][c][kh][kw][oh][ow]; otherwise [c][kh][kw][image][oh][ow].
extern "C" __global__ void unfold(const float* x, float* columns, Geometry g, int by_image) {
    const int pixels = g.oh * g.ow, taps = g.kh * g.kw;
    const int total = g.images * g.c * pixels;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int p = i % pixels, plane = i / pixels;
        const int image = plane / g.c, channel = plane % g.c;
        const int top = p / g.ow * g.stride - g.padding, left = p % g.ow * g.stride - g.padding;
        const float* from = x + (size_t)plane * g.h * g.w;
        const size_t step = by_image ? pixels : (size_t)g.images * pixels;
        float* to = by_image ? columns + (size_t)plane * taps * pixels + p
                             : columns + (size_t)channel * taps * step + (size_t)image * pixels + p;
        for (int r = 0; r < g.kh; ++r) {
            const int y = top + r;
            for (int q = 0; q < g.kw; ++q, to += step) {
                const int column = left + q;
                const bool inside = y >= 0 && y < g.h && column >= 0 && column < g.w;
                *to = inside ? from[y * g.w + column] : 0.f;
            }
        }
    }
}

// The adjoint of unfold by image: one thread for each input value, which adds up the columns that hold it.
extern "C" __global__ void fold(const float* columns, float* x, Geometry g) {
    const int pixels = g.oh * g.ow, image = g.h * g.w;
    const int total = g.images * g.c * image;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int plane = i / image, y = i % image / g.w + g.padding, column = i % g.w + g.padding;
        const float* from = columns + (size_t)plane * g.kh * g.kw * pixels;
        float sum = 0.f;
        for (int r = 0; r < g.kh; ++r) {
            const int down = y - r;
            if (down < 0 || down % g.stride != 0 || down / g.stride >= g.oh) continue;
            for (int q = 0; q < g.kw; ++q) {
                const int right = column - q;
                if (right < 0 || right % g.stride != 0 || right / g.stride >= g.ow) continue;
                sum += from[(size_t)(r * g.kw + q) * pixels + down / g.stride * g.ow + right / g.stride];
            }
        }
        x[i] = sum;
    }
}

// fold for a stride of 1.
extern "C" __global__ void fold_1(const float* columns, float* x, Geometry g) {
    const int pixels = g.oh * g.ow, image = g.h * g.w;
    const int total = g.images * g.c * image;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int plane = i / image, at = i - plane * image;
        const int y = at / g.w + g.padding, column = at % g.w + g.padding;
        const float* from = columns + (size_t)plane * g.kh * g.kw * pixels;
        float sum = 0.f;
        for (int r = 0; r < g.kh; ++r) {
            const int down = y - r;
            if (down < 0 || down >= g.oh) continue;
            for (int q = 0; q < g.kw; ++q) {
                const int right = column - q;
                if (right >= 0 && right < g.ow) sum += from[(size_t)(r * g.kw + q) * pixels + down * g.ow + right];
            }
        }
        x[i] = sum;
    }
}

// [images][channels][pixels] to [channels][images][pixels].
extern "C" __global__ void channels_first(const float* x, float* y, int images, int channels, int pixels) {
    const int total = images * channels * pixels;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int p = i % pixels, plane = i / pixels;
        y[((size_t)(plane % channels) * images + plane / channels) * pixels + p] = x[i];
    }
}

// Depthwise convolution: c == o, one input channel for each output channel.
extern "C" __global__ void depthwise(const float* x, const float* weight, float* y, Geometry g) {
    const int pixels = g.oh * g.ow;
    const int total = g.images * g.c * pixels;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int p = i % pixels, plane = i / pixels;
        const int top = p / g.ow * g.stride - g.padding, left = p % g.ow * g.stride - g.padding;
        const float* from = x + (size_t)plane * g.h * g.w;
        const float* w = weight + plane % g.c * g.kh * g.kw;
        float sum = 0.f;
        for (int r = 0; r < g.kh; ++r) {
            if (top + r < 0 || top + r >= g.h) continue;
            for (int q = 0; q < g.kw; ++q) {
                if (left + q < 0 || left + q >= g.w) continue;
                sum += from[(top + r) * g.w + left + q] * w[r * g.kw + q];
            }
        }
        y[i] = sum;
    }
}

extern "C" __global__ void depthwise_input_grad(const float* dy, const float* weight, float* dx, Geometry g) {
    const int image = g.h * g.w;
    const int total = g.images * g.c * image;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const int plane = i / image, y = i % image / g.w + g.padding, column = i % g.w + g.padding;
        const float* from = dy + (size_t)plane * g.oh * g.ow;
        const float* w = weight + plane % g.c * g.kh * g.kw;
        float sum = 0.f;
        for (int r = 0; r < g.kh; ++r) {
            const int down = y - r;
            if (down < 0 || down % g.stride != 0 || down / g.stride >= g.oh) continue;
            for (int q = 0; q < g.kw; ++q) {
                const int right = column - q;
                if (right < 0 || right % g.stride != 0 || right / g.stride >= g.ow) continue;
                sum += from[down / g.stride * g.ow + right / g.stride] * w[r * g.kw + q];
            }
        }
        dx[i] = sum;
    }
}

// One block of 256 threads for each weight: gridDim = (kh * kw, c).
extern "C" __global__ void depthwise_weight_grad(const float* x, const float* dy, float* dw, Geometry g, int add) {
    const int r = blockIdx.x / g.kw, q = blockIdx.x % g.kw, channel = blockIdx.y;
    const int pixels = g.oh * g.ow, total = g.images * pixels;
    float sum = 0.f;
    for (int i = threadIdx.x; i < total; i += blockDim.x) {
        const int image = i / pixels, p = i % pixels;
        const int y = p / g.ow * g.stride - g.padding + r, column = p % g.ow * g.stride - g.padding + q;
        if (y < 0 || y >= g.h || column < 0 || column >= g.w) continue;
        const size_t plane = (size_t)image * g.c + channel;
        sum += x[plane * g.h * g.w + y * g.w + column] * dy[plane * pixels + p];
    }
    __shared__ float sums[256];
    sums[threadIdx.x] = sum;
    for (int half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    if (threadIdx.x == 0) {
        const int at = channel * g.kh * g.kw + blockIdx.x;
        dw[at] = (add ? dw[at] : 0.f) + sums[0];
    }
}
