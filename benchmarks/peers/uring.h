// One ring of io_uring for sends: gathered, submitted together, and waited for. Raw system calls, no library.
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define RING 1024

static struct {
    int fd;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask, gathered;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
} ring;

static int ring_open(void) {
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN};
    ring.fd = (int)syscall(SYS_io_uring_setup, RING, &p);
    if (ring.fd < 0) return -1;
    size_t sq = p.sq_off.array + p.sq_entries * sizeof(unsigned), cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    char *base = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
    ring.sqes = mmap(NULL, p.sq_entries * sizeof *ring.sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
    if (base == MAP_FAILED || ring.sqes == MAP_FAILED) return -1;
    ring.sq_tail = (void *)(base + p.sq_off.tail), ring.sq_mask = (void *)(base + p.sq_off.ring_mask);
    ring.sq_array = (void *)(base + p.sq_off.array);
    ring.cq_head = (void *)(base + p.cq_off.head), ring.cq_tail = (void *)(base + p.cq_off.tail);
    ring.cq_mask = (void *)(base + p.cq_off.ring_mask), ring.cqes = (void *)(base + p.cq_off.cqes);
    return 0;
}

// Submits what is gathered and waits for all of it; what failed is given to `failed` by its user data.
static void ring_flush(void (*failed)(unsigned long long, int)) {
    unsigned wanted = ring.gathered;
    if (!wanted) return;
    ring.gathered = 0;
    syscall(SYS_io_uring_enter, ring.fd, wanted, wanted, IORING_ENTER_GETEVENTS, NULL, 0);
    unsigned head = *ring.cq_head, tail = atomic_load_explicit((_Atomic unsigned *)ring.cq_tail, memory_order_acquire);
    for (; head != tail; head++) {
        struct io_uring_cqe *c = &ring.cqes[head & *ring.cq_mask];
        if (c->res < 0) failed(c->user_data, -c->res);
    }
    atomic_store_explicit((_Atomic unsigned *)ring.cq_head, head, memory_order_release);
}

static void ring_send(int fd, const void *bytes, size_t length, unsigned long long user_data, void (*failed)(unsigned long long, int)) {
    unsigned tail = *ring.sq_tail, at = tail & *ring.sq_mask;
    ring.sqes[at] = (struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = fd, .addr = (unsigned long)bytes, .len = (unsigned)length,
                                          .msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT, .user_data = user_data};
    ring.sq_array[at] = at;
    atomic_store_explicit((_Atomic unsigned *)ring.sq_tail, tail + 1, memory_order_release);
    if (++ring.gathered == RING) ring_flush(failed);
}
