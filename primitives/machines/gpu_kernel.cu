// Written from the table of primitives; gpu_machine.py says how it runs, gpu_code.py what the arrays hold.

$prelude

typedef $type F;
typedef long long int64;
#define THREADS $threads
#define LANES int(16 / sizeof(F))

struct alignas(16) V { F v[LANES]; };  // the elements of a register that one thread holds: no other touches them
struct alignas(16) Row { int op, out, a, b, c, e, partial, how; };
struct Tensor { int64 offset, size, start, home, about[$about]; };
struct Stretch { int64 numbers, body, reductions, moves, end; };
struct Counts { int64 hoisted, stretches, constants, numbers; };

struct Arguments {
    const Row* code;  // [programs, rows]
    const Stretch* stretches;  // [programs, most_stretches]
    const Counts* counts;  // [programs]
    const double* constants;  // [programs, most_constants, 2]: slot, value
    const int* moves;  // [programs, most_moves, 2]: slots of number states, -1 behind the last
    const int* program_of;  // [replicas]
    const double* outside;  // [replicas, OUTSIDE]
    const Tensor* tensors;  // [tensors]
    F* weights;
    const F* grads;
    F* states;
    F* wide;  // [replicas, wide registers, elements of the model]
    double* number_states;  // [replicas, tensors, most_moves]
    int64 rows, most_stretches, most_constants, most_moves, tensor_count, registers, numbers, wides, state_stride, full;
};

#define OUTSIDE $outside
#define ABOUT $about

DEVICE double infinity() { return as_double(0x7ff0000000000000LL); }
DEVICE double not_a_number() { return as_double(0x7ff8000000000000LL); }
DEVICE float absolute(float x) { return fabsf(x); }
DEVICE double absolute(double x) { return fabs(x); }
DEVICE float root(float x) { return sqrtf(x); }
DEVICE double root(double x) { return sqrt(x); }
DEVICE float whole(float x) { return floorf(x); }
DEVICE double whole(double x) { return floor(x); }
DEVICE float remainder_of(float x, float y) { return fmodf(x, y); }
DEVICE double remainder_of(double x, double y) { return fmod(x, y); }

template <typename T> DEVICE T modulo(T x, T y) {
    const T r = remainder_of(x, y);
    if (r != 0 && (y < 0) != (r < 0)) return r + y;
    return r == 0 ? T(copysign(0.0, double(y))) : r;
}

$library

// Numbers of one tensor, or of the whole model, in float64: one thread runs them.
DEVICE_CALL void run_numbers(const Row* code, int64 first, int64 last, double* s) {
    for (int64 i = first; i < last; i++) {
        const Row row = code[i];
        double d = 0;
        switch (row.op) {
$number_cases
        }
        s[row.out] = d;
    }
}

DEVICE V operand(const V* registers, const double* s, int place) {
    if (place >= 0) return registers[place * THREADS + threadIdx.x];
    const F x = F(s[~place]);
    V all;
    EACH all.v[l] = x;
    return all;
}

// Where element 0 of this replica's tensor is: space 0 the weights, 1 the gradients, 2 a state, 3 a wide register.
DEVICE F* address(const Arguments& a, const Tensor& t, int64 replica, int space, int index) {
    if (space == 0) return a.weights + t.offset + replica * t.size;
    if (space == 1) return const_cast<F*>(a.grads) + t.offset + replica * t.size;
    if (space == 2) return a.states + index * a.state_stride + t.home + replica * t.size;
    return a.wide + (replica * a.wides + index) * a.full + t.start;
}

// Rows of a stretch over the elements at + l * THREADS + thread; `left` of them are in the tensor.
DEVICE void run_rows(const Arguments& a, const Row* code, int64 first, int64 last, const Tensor& t, int64 replica,
                     int64 at, V* registers, const double* s, double* partials) {
    const int left = int((t.size - at - int(threadIdx.x) + THREADS - 1) / THREADS);
    for (int64 i = first; i < last; i++) {
        const Row row = code[i];
        V d;
        switch (row.op) {
            case 0: {
                const F* from = address(a, t, replica, row.a, row.b) + at + threadIdx.x;
                EACH d.v[l] = l < left ? from[l * THREADS] : F(0);
                break;
            }
            case 1: {
                F* to = address(a, t, replica, row.a, row.b) + at + threadIdx.x;
                d = registers[row.out * THREADS + threadIdx.x];
                EACH if (l < left) to[l * THREADS] = d.v[l];
                continue;
            }
            case 2:
                d = operand(registers, s, row.a);
                break;
$cases
            default:
                continue;
        }
        registers[row.out * THREADS + threadIdx.x] = d;
    }
}

DEVICE double finish(int how, double total, double n) {
    const double mean = how & 1 ? total / n : total;
    return how & 2 ? sqrt(mean) : mean;
}

// The partial sums of all threads, added up in an order that depends on nothing but the number of threads.
DEVICE void add_up(double* partials, int64 count) {
    __syncthreads();
    for (int half = THREADS / 2; half; half /= 2) {
        if (int(threadIdx.x) < half)
            for (int64 q = 0; q < count; q++)
                partials[q * THREADS + threadIdx.x] += partials[q * THREADS + threadIdx.x + half];
        __syncthreads();
    }
}

// One step of one replica in each block of threads.
extern "C" KERNEL(THREADS) void step_replica(const Arguments a) {
    SHARED(memory);
    const int thread = threadIdx.x;
    const int64 replica = blockIdx.x, p = a.program_of[replica];
    const Counts n = a.counts[p];
    const Row* code = a.code + p * a.rows;
    V* registers = reinterpret_cast<V*>(memory);
    double* numbers = reinterpret_cast<double*>(registers + a.registers * THREADS);
    double* partials = numbers + a.tensor_count * a.numbers;

    if (thread == 0) {
        for (int i = 0; i < OUTSIDE; i++) numbers[i] = a.outside[replica * OUTSIDE + i];
        const double* constants = a.constants + p * a.most_constants * 2;
        for (int64 i = 0; i < n.constants; i++) numbers[int64(constants[2 * i])] = constants[2 * i + 1];
        run_numbers(code, 0, n.hoisted, numbers);
    }
    __syncthreads();
    for (int64 j = thread; j < (a.tensor_count - 1) * n.numbers; j += THREADS)
        numbers[(1 + j / n.numbers) * a.numbers + j % n.numbers] = numbers[j % n.numbers];
    __syncthreads();
    const int* moves = a.moves + p * a.most_moves * 2;
    for (int64 k = thread; k < a.tensor_count; k += THREADS) {
        for (int i = 0; i < ABOUT; i++) numbers[k * a.numbers + OUTSIDE + i] = double(a.tensors[k].about[i]);
        for (int64 i = 0; i < a.most_moves && moves[2 * i] >= 0; i++)
            numbers[k * a.numbers + moves[2 * i]] = a.number_states[(replica * a.tensor_count + k) * a.most_moves + i];
    }  // the same thread runs this tensor's numbers below, before the next barrier

    for (int64 j = 0; j < n.stretches; j++) {
        const Stretch s = a.stretches[p * a.most_stretches + j];
        for (int64 k = thread; k < a.tensor_count; k += THREADS)
            run_numbers(code, s.numbers, s.body, numbers + k * a.numbers);
        __syncthreads();
        const int64 reductions = s.moves - s.reductions;
        for (int64 k = 0; s.body < s.end && k < a.tensor_count; k++) {
            const Tensor t = a.tensors[k];
            for (int64 q = 0; q < reductions; q++) partials[q * THREADS + thread] = 0;
            for (int64 at = 0; at + thread < t.size; at += THREADS * LANES)
                run_rows(a, code, s.body, s.end, t, replica, at, registers, numbers + k * a.numbers, partials);
            if (!reductions) continue;
            add_up(partials, reductions);
            for (int64 q = thread; q < reductions; q += THREADS) {
                const Row row = code[s.reductions + q];
                const double total = partials[q * THREADS];
                numbers[k * a.numbers + row.out] = row.how & 4 ? total : finish(row.how, total, double(t.size));
            }
            __syncthreads();
        }
        for (int64 q = thread; q < reductions; q += THREADS) {
            const Row row = code[s.reductions + q];
            if (!(row.how & 4)) continue;
            double total = 0;
            for (int64 k = 0; k < a.tensor_count; k++) total += numbers[k * a.numbers + row.out];
            total = finish(row.how, total, double(a.full));
            for (int64 k = 0; k < a.tensor_count; k++) numbers[k * a.numbers + row.out] = total;
        }
        __syncthreads();
    }
    for (int64 k = thread; k < a.tensor_count; k += THREADS)
        for (int64 i = 0; i < a.most_moves && moves[2 * i] >= 0; i++)
            a.number_states[(replica * a.tensor_count + k) * a.most_moves + i]
                = numbers[k * a.numbers + moves[2 * i + 1]];
}
