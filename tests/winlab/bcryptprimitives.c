/* bcryptprimitives.dll for Wine 8.0, which lacks it.

   Rust's standard library takes its random numbers from ProcessPrng, so that without this DLL no
   Rust program or extension module loads, IPv8's among them (ipv8_rust_tunnels).

   Build: x86_64-w64-mingw32-gcc -shared -O2 -Wall -Wextra -o bcryptprimitives.dll
          bcryptprimitives.c -ladvapi32 */
#include <windows.h>

/* advapi32's RtlGenRandom, which is exported under this name alone. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

#define MOST_AT_ONCE 0x40000000     /* its size has 32 bits, ProcessPrng's 64 */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size)
{
    while (size)
    {
        ULONG part = size < MOST_AT_ONCE ? (ULONG)size : MOST_AT_ONCE;

        if (!SystemFunction036(buffer, part)) return FALSE;
        buffer += part;
        size -= part;
    }
    return TRUE;
}
