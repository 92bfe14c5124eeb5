// Weighted softmax cross-entropy. Compiled at run time (NVRTC), for the GPU that is there.
//
// One block a row, of 32 or 256 threads. Every sum has one order: results are the same bits from run to run.

#define MOST 256

__device__ float row_sum(float value) {
    __shared__ float values[MOST];
    __syncthreads();
    values[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) values[threadIdx.x] += values[threadIdx.x + half];
    }
    __syncthreads();
    return values[0];
}

// The first of the largest values: its place.
__device__ int row_best(float value, int place) {
    __shared__ float values[MOST];
    __shared__ int places[MOST];
    values[threadIdx.x] = value;
    places[threadIdx.x] = place;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            const float other = values[threadIdx.x + half];
            const int at = places[threadIdx.x + half];
            const bool later = at < 0 || (other == values[threadIdx.x] && at > places[threadIdx.x]);
            if (places[threadIdx.x] < 0 || (other >= values[threadIdx.x] && !later)) {
                values[threadIdx.x] = other;
                places[threadIdx.x] = at;
            }
        }
    }
    __syncthreads();
    return places[0];
}

// One block of 256 threads: total[0] = sum of weights, or n where weights are null.
extern "C" __global__ void total_weight(const float* weights, double* total, int n) {
    __shared__ double values[MOST];
    double sum = 0.;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += weights ? weights[i] : 1.;
    values[threadIdx.x] = sum;
    for (int half = MOST / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) values[threadIdx.x] += values[threadIdx.x + half];
    }
    if (threadIdx.x == 0) total[0] = values[0];
}

// losses[i], and the gradient of the weighted mean in the logits. A target that is no class gives NaN.
extern "C" __global__ void softmax_rows(const float* logits, const unsigned* targets, const float* weights, const double* total,
                                        float* losses, float* grad, int k) {
    const int i = blockIdx.x;
    const float* row = logits + (size_t)i * k;
    float* to = grad + (size_t)i * k;
    int mine = -1;
    float top = 0.f;
    for (int j = threadIdx.x; j < k; j += blockDim.x) {
        if (mine < 0 || row[j] > top) {
            top = row[j];
            mine = j;
        }
    }
    const int best = row_best(top, mine);
    top = row[best];
    const unsigned target = targets[i];
    const bool known = target < (unsigned)k;
    float rest = 0.f, others = 0.f;
    for (int j = threadIdx.x; j < k; j += blockDim.x) {
        const float e = expf(row[j] - top);
        if (j != best) rest += e;
        if (j != (int)target) others += e;
    }
    // ln(1 + rest) keeps the digits of small losses, and the other classes those of a small 1 - p.
    rest = row_sum(rest);
    others = row_sum(others);
    const float share = (float)((weights ? (double)weights[i] : 1.) / total[0]);
    const float scale = share / (expf(row[best] - top) + rest);
    for (int j = threadIdx.x; j < k; j += blockDim.x) {
        to[j] = !known ? nanf("") : j == (int)target ? -others * scale : expf(row[j] - top) * scale;
    }
    if (threadIdx.x == 0) losses[i] = known ? log1pf(rest) + (top - row[target]) : nanf("");
}

// One block of 256 threads: loss[0] = weighted mean of the losses.
extern "C" __global__ void mean_loss(const float* losses, const float* weights, const double* total, float* loss, int n) {
    __shared__ double values[MOST];
    double sum = 0.;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += (weights ? (double)weights[i] : 1.) * losses[i];
    values[threadIdx.x] = sum;
    for (int half = MOST / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) values[threadIdx.x] += values[threadIdx.x + half];
    }
    if (threadIdx.x == 0) loss[0] = (float)(values[0] / total[0]);
}
