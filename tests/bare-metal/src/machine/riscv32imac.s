    .section .start, "ax"
    .global _start
    .type _start, @function
_start:
    la sp, __stack_top
    la t0, _fault
    csrw mtvec, t0
    // Close the stack's guard: PMP entry 0, 64 KiB as a power of two, locked (so it binds machine mode), no access.
    la t0, __stack_guard
    srli t0, t0, 2
    li t1, (64 * 1024 / 8) - 1
    or t0, t0, t1
    csrw pmpaddr0, t0
    li t0, 0x98
    csrw pmpcfg0, t0
    // Paint the stack, clear .bss, copy .data.
    la t0, __stack_bottom
    la t1, __stack_top
    li t2, 0xC5C5C5C5
1:  bgeu t0, t1, 2f
    sw t2, 0(t0)
    addi t0, t0, 4
    j 1b
2:  la t0, __bss_start
    la t1, __bss_end
3:  bgeu t0, t1, 4f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 3b
4:  la t0, __data_start
    la t1, __data_end
    la t2, __data_load
5:  bgeu t0, t1, 6f
    lw t3, 0(t2)
    sw t3, 0(t0)
    addi t0, t0, 4
    addi t2, t2, 4
    j 5b
6:  call bare_main
7:  j 7b
    .size _start, . - _start

    // mtvec wants 4-byte alignment. A stack overflow leads here too, so start again at its top.
    .section .text._fault, "ax"
    .balign 4
    .global _fault
    .type _fault, @function
_fault:
    la sp, __stack_top
    call bare_fault
1:  j 1b
    .size _fault, . - _fault

    // semihosting(operation, argument) -> result. The three instructions are the marker; they must be uncompressed and must not
    // cross a page.
    .section .text.semihosting, "ax"
    .balign 16
    .option push
    .option norvc
    .global semihosting
    .type semihosting, @function
semihosting:
    slli zero, zero, 0x1f
    ebreak
    srai zero, zero, 7
    ret
    .option pop
    .size semihosting, . - semihosting

    .section .text.counter_start, "ax"
    .global counter_start
    .type counter_start, @function
counter_start:
    csrw minstret, zero
    csrw minstreth, zero
    ret
    .size counter_start, . - counter_start

    // counter_read() -> instructions since counter_start, as u64 in a0 and a1
    .section .text.counter_read, "ax"
    .global counter_read
    .type counter_read, @function
counter_read:
1:  csrr a1, minstreth
    csrr a0, minstret
    csrr a2, minstreth
    bne a1, a2, 1b
    ret
    .size counter_read, . - counter_read

    .section .text.stack_pointer, "ax"
    .global stack_pointer
    .type stack_pointer, @function
stack_pointer:
    mv a0, sp
    ret
    .size stack_pointer, . - stack_pointer
