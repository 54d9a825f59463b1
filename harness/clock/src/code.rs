//! The machine code that replaces the functions of a vDSO, and the parameters within.
//!
//! The code is one *block* that works at any address. It opens with its data:
//!
//! | bytes | what                                                              |
//! |------:|-------------------------------------------------------------------|
//! |    16 | the magic, by which a patched vDSO is known                       |
//! |     8 | the *sequence*, a number that grows by one with each new skew     |
//! |    32 | the *slot* of even sequences: offset, drift, since (s, then ns)   |
//! |    32 | the slot of odd sequences                                         |
//!
//! A writer fills the slot of the next sequence and then writes the sequence. A reader notes the
//! sequence, reads its slot, and starts again if the sequence is another one by then; as a slot
//! is only touched after the sequence has moved on, nobody mixes old and new. That holds even if
//! the eight bytes of the sequence are seen half written: its lowest byte, which names the slot,
//! is either the old or the new one, and both slots are whole at that moment.
//!
//! No parameters make the code trap: the only divisions are by constants and of numbers whose
//! quotient fits. What has no number wraps around.

use std::arch::global_asm;
use std::{ptr, slice};

use crate::Skew;
use crate::skew::seconds_and_rest;

/// What a block opens with. The last byte tells versions of the code apart.
pub(crate) const MAGIC: &[u8; 16] = b"clock skew \0\0\0\0\x01";

/// How many bytes of a block are data.
pub(crate) const DATA_BYTES: usize = SLOTS_AT + 2 * SLOT_BYTES;

/// Where in a block the sequence is.
pub(crate) const SEQUENCE_AT: usize = 16;

const SLOTS_AT: usize = 24;
const SLOT_BYTES: usize = 32;

// Calls follow the System V ABI: arguments in rdi and rsi, result in rax, and only rbx, rbp, rsp
// and r12 to r15 are kept. A system call keeps all but rax, rcx and r11. The kernel's numbers:
// clock_gettime 228, gettimeofday 96; CLOCK_REALTIME 0, CLOCK_REALTIME_COARSE 5.
global_asm!(
    r#"
    .pushsection .rodata.clock_block, "a", @progbits
    .balign 16
    .globl clock_block_start, clock_block_clock_gettime, clock_block_gettimeofday
    .globl clock_block_time, clock_block_add_skew, clock_block_end
    .hidden clock_block_start, clock_block_clock_gettime, clock_block_gettimeofday
    .hidden clock_block_time, clock_block_add_skew, clock_block_end

clock_block_start:
    .ascii "clock skew \0\0\0\0\001"
.Lclock_sequence:
    .quad 0
    .zero 64

# int clock_gettime(clockid_t edi, struct timespec *rsi)
clock_block_clock_gettime:
    mov eax, 228
    syscall
    test rax, rax
    jnz .Lclock_as_it_is
    test edi, edi
    jz .Lclock_is_wall
    cmp edi, 5
    jne .Lclock_as_it_is
.Lclock_is_wall:
    call clock_block_add_skew
    xor eax, eax
.Lclock_as_it_is:
    ret

# int gettimeofday(struct timeval *rdi, struct timezone *rsi), either may be null
# On the stack: a timespec, then rsi, then rdi.
clock_block_gettimeofday:
    push rdi
    push rsi
    sub rsp, 16
    test rdi, rdi
    jz .Lclock_zone
    mov rsi, rsp
    xor edi, edi
    mov eax, 228
    syscall
    test rax, rax
    jnz .Lclock_day_done
    call clock_block_add_skew
    mov rdi, [rsp + 24]
    mov rax, [rsp]
    mov [rdi], rax
    mov rax, [rsp + 8]
    xor edx, edx
    mov ecx, 1000
    div ecx
    mov [rdi + 8], rax
.Lclock_zone:
    xor eax, eax
    mov rsi, [rsp + 16]
    test rsi, rsi
    jz .Lclock_day_done
    xor edi, edi
    mov eax, 96
    syscall
.Lclock_day_done:
    add rsp, 32
    ret

# time_t time(time_t *rdi), which may be null. Like the kernel's, it goes by the coarse clock.
# On the stack: a timespec, then rdi.
clock_block_time:
    push rdi
    sub rsp, 16
    mov rsi, rsp
    mov edi, 5
    mov eax, 228
    syscall
    test rax, rax
    jnz .Lclock_time_done
    call clock_block_add_skew
    mov rax, [rsp]
    mov rdi, [rsp + 16]
    test rdi, rdi
    jz .Lclock_time_done
    mov [rdi], rax
.Lclock_time_done:
    add rsp, 24
    ret

# Adds the skew to the timespec at rsi. Keeps rsi and rdi.
clock_block_add_skew:
    lea r11, [rip + .Lclock_sequence]
.Lclock_again:
    mov r8, [r11]
    mov ecx, r8d
    and ecx, 1
    shl ecx, 5
    add rcx, r11
    mov r10, [rcx + 8]      # offset
    mov r9, [rcx + 16]      # drift
    mov rax, [rcx + 24]     # since, seconds
    mov rdx, [rcx + 32]     # since, nanoseconds
    cmp r8, [r11]
    jne .Lclock_again
    mov r8, [rsi]
    sub r8, rax
    imul r8, r9             # drift times the seconds passed
    add r10, r8
    mov rax, [rsi + 8]
    sub rax, rdx            # less than a billion either way, so that the quotient
    imul r9                 # of the next division is smaller than the drift
    mov ecx, 1000000000
    idiv rcx
    add rax, r10            # all that is to be added, in nanoseconds
    cqo
    idiv rcx
    add rdx, [rsi + 8]      # more than minus one billion, less than two
    jns .Lclock_not_negative
    add rdx, rcx
    dec rax
    jmp .Lclock_normal
.Lclock_not_negative:
    cmp rdx, rcx
    jl .Lclock_normal
    sub rdx, rcx
    inc rax
.Lclock_normal:
    add [rsi], rax
    mov [rsi + 8], rdx
    ret
clock_block_end:
    .popsection
    "#
);

unsafe extern "C" {
    static clock_block_start: u8;
    static clock_block_clock_gettime: u8;
    static clock_block_gettimeofday: u8;
    static clock_block_time: u8;
    #[cfg(test)]
    static clock_block_add_skew: u8;
    static clock_block_end: u8;
}

/// The block: data of no skew, then code.
pub(crate) fn block() -> &'static [u8] {
    let (start, end) = (&raw const clock_block_start, &raw const clock_block_end);
    // SAFETY: both labels are in one piece of read-only data, the block, which holds plain bytes
    // and lives as long as the program.
    unsafe { slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// Where in the block `clock_gettime` starts.
pub(crate) fn clock_gettime_at() -> usize {
    distance(&raw const clock_block_clock_gettime)
}

/// Where in the block `gettimeofday` starts.
pub(crate) fn gettimeofday_at() -> usize {
    distance(&raw const clock_block_gettimeofday)
}

/// Where in the block `time` starts.
pub(crate) fn time_at() -> usize {
    distance(&raw const clock_block_time)
}

/// Where in the block the arithmetic starts, which takes the address of a `timespec` in rsi.
#[cfg(test)]
pub(crate) fn add_skew_at() -> usize {
    distance(&raw const clock_block_add_skew)
}

fn distance(label: *const u8) -> usize {
    label.addr() - ptr::addr_of!(clock_block_start).addr()
}

/// What is to be written where in a block, in this order, to give it another skew.
pub(crate) fn update(sequence: u64, skew: &Skew) -> [(usize, Vec<u8>); 2] {
    let next = sequence.wrapping_add(1);
    let (since_s, since_rest) = seconds_and_rest(skew.since_ns);
    let fields = [skew.offset_ns, skew.drift_ppb, since_s, since_rest];
    let slot = fields.into_iter().flat_map(i64::to_le_bytes).collect();
    [
        (slot_at(next), slot),
        (SEQUENCE_AT, next.to_le_bytes().to_vec()),
    ]
}

/// The sequence and the skew in the data of a block.
pub(crate) fn read(data: &[u8; DATA_BYTES]) -> (u64, Skew) {
    let field = |at: usize| {
        let bytes = data[at..at + 8].try_into().expect("eight bytes");
        i64::from_le_bytes(bytes)
    };
    let sequence = field(SEQUENCE_AT).cast_unsigned();
    let slot = slot_at(sequence);
    let skew = Skew {
        offset_ns: field(slot),
        drift_ppb: field(slot + 8),
        since_ns: field(slot + 16)
            .wrapping_mul(1_000_000_000)
            .wrapping_add(field(slot + 24)),
    };
    (sequence, skew)
}

fn slot_at(sequence: u64) -> usize {
    SLOTS_AT + SLOT_BYTES * (sequence & 1) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn new_data() -> [u8; DATA_BYTES] {
        block()[..DATA_BYTES].try_into().expect("so many bytes")
    }

    #[test]
    fn a_new_block_has_the_magic_and_no_skew() {
        assert_eq!(&block()[..16], MAGIC);
        assert_eq!(read(&new_data()), (0, Skew::default()));
        assert_eq!(clock_gettime_at(), DATA_BYTES);
        assert!(block().len() < 400, "{}", block().len());
    }

    proptest! {
        #[test]
        fn a_skew_written_is_read_back(skews: Vec<(i64, i64, i64)>) {
            let mut data = new_data();
            for (count, (offset_ns, drift_ppb, since_ns)) in (0..).zip(skews) {
                let skew = Skew { offset_ns, drift_ppb, since_ns };
                let [slot, sequence] = update(count, &skew);
                let before = read(&data);
                data[slot.0..slot.0 + slot.1.len()].copy_from_slice(&slot.1);
                // Nothing shows until the sequence is written.
                prop_assert_eq!(read(&data), before);
                data[sequence.0..sequence.0 + 8].copy_from_slice(&sequence.1);
                prop_assert_eq!(read(&data), (count + 1, skew));
            }
        }
    }
}
