//! What goes out: SRTP keys, sealing, header rewriting and batched sends.
