    .section .start, "ax"
    .global _start
    .type _start, @function
_start:
    // The compiler uses the vector registers for plain copies: let EL1 have them.
    mov x0, #(3 << 20)
    msr cpacr_el1, x0
    adr x0, _vectors
    msr vbar_el1, x0
    isb
    ldr x0, =__stack_top
    mov sp, x0
    // Paint the stack, clear .bss, copy .data.
    ldr x1, =__stack_bottom
    ldr x2, =0xC5C5C5C5C5C5C5C5
1:  cmp x1, x0
    b.hs 2f
    str x2, [x1], #8
    b 1b
2:  ldr x1, =__bss_start
    ldr x0, =__bss_end
3:  cmp x1, x0
    b.hs 4f
    str xzr, [x1], #8
    b 3b
4:  ldr x1, =__data_start
    ldr x0, =__data_end
    ldr x2, =__data_load
5:  cmp x1, x0
    b.hs 6f
    ldr x3, [x2], #8
    str x3, [x1], #8
    b 5b
6:  bl bare_main
    b .
    .size _start, . - _start

    .section .text._vectors, "ax"
    .balign 2048
    .global _vectors
    .type _vectors, @function
_vectors:
    // Sixteen entries of 128 bytes. A stack overflow leads here too, so start again at its top.
    .rept 16
    .balign 128
    ldr x0, =__stack_top
    mov sp, x0
    b bare_fault
    .endr
    .balign 128
    .ltorg
    .size _vectors, . - _vectors

    // semihosting(operation, argument) -> result
    .section .text.semihosting, "ax"
    .global semihosting
    .type semihosting, @function
semihosting:
    hlt #0xF000
    ret
    .size semihosting, . - semihosting

    // counter_start(): the PMU's cycle counter; with -icount shift=0 QEMU counts one cycle an instruction.
    .section .text.counter_start, "ax"
    .global counter_start
    .type counter_start, @function
counter_start:
    mov x0, #(1 << 31)
    msr pmcntenset_el0, x0
    msr pmccfiltr_el0, xzr
    mov x0, #0x45
    msr pmcr_el0, x0
    isb
    ret
    .size counter_start, . - counter_start

    .section .text.counter_read, "ax"
    .global counter_read
    .type counter_read, @function
counter_read:
    mrs x0, pmccntr_el0
    ret
    .size counter_read, . - counter_read

    .section .text.stack_pointer, "ax"
    .global stack_pointer
    .type stack_pointer, @function
stack_pointer:
    mov x0, sp
    ret
    .size stack_pointer, . - stack_pointer
