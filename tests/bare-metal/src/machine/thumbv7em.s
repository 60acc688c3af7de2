    // The vector table: the stack pointer at reset, then the handlers of the fifteen system exceptions. No interrupt is enabled.
    .section .vectors, "a"
    .word __stack_top
    .word _start
    .rept 14
    .word _fault
    .endr

    .section .text._start, "ax"
    .syntax unified
    .thumb
    .global _start
    .type _start, %function
    .thumb_func
_start:
    // Close the stack's guard: MPU region 0, 64 KiB (2^(15+1)), no access; everything else as without an MPU.
    ldr r0, =0xE000ED90
    ldr r1, =__stack_guard
    movs r2, #0
    str r2, [r0, #8]
    str r1, [r0, #12]
    ldr r2, =(1 << 28) | (15 << 1) | 1
    str r2, [r0, #16]
    movs r2, #5
    str r2, [r0, #4]
    dsb
    isb
    // Paint the stack, clear .bss, copy .data.
    ldr r0, =__stack_bottom
    ldr r1, =__stack_top
    ldr r2, =0xC5C5C5C5
1:  cmp r0, r1
    bhs 2f
    str r2, [r0], #4
    b 1b
2:  ldr r0, =__bss_start
    ldr r1, =__bss_end
    movs r2, #0
3:  cmp r0, r1
    bhs 4f
    str r2, [r0], #4
    b 3b
4:  ldr r0, =__data_start
    ldr r1, =__data_end
    ldr r2, =__data_load
5:  cmp r0, r1
    bhs 6f
    ldr r3, [r2], #4
    str r3, [r0], #4
    b 5b
6:  bl bare_main
    b .
    .size _start, . - _start

    .section .text._fault, "ax"
    .global _fault
    .type _fault, %function
    .thumb_func
_fault:
    // A stack overflow leads here too, so start again at its top.
    ldr r0, =__stack_top
    mov sp, r0
    bl bare_fault
    b .
    .size _fault, . - _fault

    // semihosting(operation, argument) -> result
    .section .text.semihosting, "ax"
    .global semihosting
    .type semihosting, %function
    .thumb_func
semihosting:
    bkpt 0xAB
    bx lr
    .size semihosting, . - semihosting

    // counter_start(): CMSDK timer 0 counts down from 2^32 - 1 at 25 MHz, so with -icount shift=0 by one for 40 instructions.
    .section .text.counter_start, "ax"
    .global counter_start
    .type counter_start, %function
    .thumb_func
counter_start:
    ldr r0, =0x40000000
    mov r1, #0xFFFFFFFF
    str r1, [r0, #8]
    str r1, [r0, #4]
    movs r1, #1
    str r1, [r0, #0]
    bx lr
    .size counter_start, . - counter_start

    // counter_read() -> instructions since counter_start, as u64
    .section .text.counter_read, "ax"
    .global counter_read
    .type counter_read, %function
    .thumb_func
counter_read:
    ldr r0, =0x40000004
    ldr r0, [r0]
    mvns r0, r0
    movs r1, #40
    umull r0, r1, r0, r1
    bx lr
    .size counter_read, . - counter_read

    .section .text.stack_pointer, "ax"
    .global stack_pointer
    .type stack_pointer, %function
    .thumb_func
stack_pointer:
    mov r0, sp
    bx lr
    .size stack_pointer, . - stack_pointer
