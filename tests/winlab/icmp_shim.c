/* Preloaded into Wine (wineserver and every Windows program): gives UDP sockets the receive
   errors of Windows.

   On Windows an ICMP error that answers a datagram fails one receive of the socket that sent
   it. A receive that was waiting completes with a Win32 number (ERROR_PORT_UNREACHABLE, 1234);
   one posted after the error arrived fails at once with a Winsock number (WSAECONNRESET,
   10054). Wine 8.0 leaves out both: its sockets do not ask Linux for ICMP errors (IP_RECVERR),
   wineserver gives up on a socket for good once it has seen an error on it, and a refused port
   has the NTSTATUS of a refused TCP connection. So, on datagram sockets of IPv4 and IPv6:

     socket()                 asks Linux to queue ICMP errors, with room for them
     recvmsg()                fails once for each queued error, with Windows's NTSTATUS for it
     sendmsg()                never fails because of an earlier datagram's error
     poll(), epoll_wait()     report an error as something to read, as Windows does

     bind()                   fails for an IPv4 address that no interface has, where Wine binds
                              to all of them

   and, so that a test can have any error, recvmsg() turns a datagram that consists of
   "winlab:ntstatus:" and eight hexadecimal digits into a receive that fails with that NTSTATUS.

   Build: cc -shared -fPIC -O2 -Wall -Wextra -o icmp_shim.so icmp_shim.c -ldl
   Needs: Wine 8.0 as Debian 12 builds it, x86-64; any other ends the program with one line
   that says so (see return_ntstatus_for_negative_errno). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <time.h>               /* before errqueue.h, which needs struct timespec */
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The C library's function of that name, which this file replaces. */
#define REAL(name) (*({ \
        static __typeof__(&name) real; \
        if (!real) \
            real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
        &real; \
    }))

enum
{
    STATUS_BUFFER_OVERFLOW = (int)0x80000005,
    STATUS_DEVICE_NOT_READY = (int)0xC00000A3,
    STATUS_NETWORK_UNREACHABLE = (int)0xC000023C,
    STATUS_HOST_UNREACHABLE = (int)0xC000023D,
    STATUS_PROTOCOL_UNREACHABLE = (int)0xC000023E,
    STATUS_PORT_UNREACHABLE = (int)0xC000023F,
    STATUS_WIN32_NETRESET = (int)0xC0072744,    /* facility 7: the Win32 number, 10052, itself */
};

/* ---- Wine's code, changed in memory ------------------------------------------------------ */

static void fail(const char *what)
{
    fprintf(stderr, "icmp_shim: %s; the lab needs Debian 12's Wine 8.0 for x86-64\n", what);
    _exit(70);
}

/* Where a file's mapping in this process holds `bytes`; NULL when it does not. *mapped tells
   whether the file is mapped at all. */
static unsigned char *find_in_mapping(const char *file, const void *bytes, size_t length, int *mapped)
{
    unsigned char *found = NULL;
    char line[PATH_MAX + 128], access[8];
    unsigned long start, end;
    FILE *maps = fopen("/proc/self/maps", "r");

    *mapped = 0;
    while (maps && !found && fgets(line, sizeof line, maps))
    {
        if (!strstr(line, file) || sscanf(line, "%lx-%lx %7s", &start, &end, access) != 3) continue;
        *mapped = 1;
        if (access[0] == 'r') found = memmem((void *)start, end - start, bytes, length);
    }
    if (maps) fclose(maps);
    return found;
}

static void overwrite(unsigned char *at, const void *bytes, size_t length, int access)
{
    unsigned char *page = (unsigned char *)((uintptr_t)at & ~4095UL);
    size_t size = (size_t)(at - page) + length;

    if (mprotect(page, size, PROT_READ | PROT_WRITE | (access & PROT_EXEC))) fail("cannot change Wine's code in memory");
    memcpy(at, bytes, length);
    mprotect(page, size, access);
}

/* ntdll.so turns errno into an NTSTATUS with a switch; an errno that it does not know becomes
   STATUS_UNSUCCESSFUL. This makes it give back a negative errno as it is, so that recvmsg can
   choose any NTSTATUS. errno is the thread's own, so threads do not disturb each other. */
static void return_ntstatus_for_negative_errno(void)
{
    static const unsigned char a_case[] = { 0xb8, 0x36, 0x02, 0x00, 0xc0, 0xc3 };   /* mov eax, STATUS_CONNECTION_REFUSED; ret */
    static const unsigned char unknown[] = { 0xb8, 0x01, 0x00, 0x00, 0xc0, 0xc3 };  /* mov eax, STATUS_UNSUCCESSFUL; ret */
    static const unsigned char replacement[] = {
        0xb8, 0x01, 0x00, 0x00, 0xc0,   /* mov    eax, STATUS_UNSUCCESSFUL */
        0x85, 0xff,                     /* test   edi, edi */
        0x0f, 0x48, 0xc7,               /* cmovs  eax, edi */
        0xc3,                           /* ret */
    };
    int mapped, distance;
    unsigned char *at = find_in_mapping("/ntdll.so", a_case, sizeof a_case, &mapped), *other, *end;

    if (!mapped) return;                /* wineserver, or no part of Wine */
    for (distance = 5; at && distance < 1024; distance++)
    {
        unsigned char *code = at - distance;

        /* cmp edi, LAST; ja other */
        if (code[0] != 0x83 || code[1] != 0xff || code[3] != 0x77) continue;
        other = code + 5 + (signed char)code[4];
        end = memmem(other, 64, unknown, sizeof unknown);
        if (!end || end + sizeof unknown < other + sizeof replacement) break;
        overwrite(other, replacement, sizeof replacement, PROT_READ | PROT_EXEC);
        return;
    }
    fail("ntdll.so's table of errno values is not the known one");
}

/* ws2_32.dll looks the Winsock number of a failed call up in a table of NTSTATUS and number,
   where none has WSAENETRESET and a status of facility 7, a Win32 number in disguise, is
   unknown (10022). Its last three entries are for statuses that nothing in Wine produces: they
   become, in turn, those of the facility 7 statuses that were asked for. A fourth one in the
   instant between two threads' failures would cost one of them its number; no test does that. */
static void name_winsock_number(int status)
{
    static const uint32_t spare[][2] = { { 0x800703e4, 996 }, { 0xc00103e4, 996 }, { 0xc00703e4, 996 } };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static unsigned char *table;
    static unsigned next;
    const uint32_t entry[] = { (uint32_t)status, (uint32_t)status & 0xffff };
    unsigned i;
    int mapped;

    pthread_mutex_lock(&lock);
    if (!table && !(table = find_in_mapping("/ws2_32.dll", spare, sizeof spare, &mapped)))
        fail("ws2_32.dll's table of Winsock numbers is not the known one");
    for (i = 0; i < 3 && memcmp(table + i * sizeof entry, entry, sizeof entry); i++) {}
    if (i == 3) overwrite(table + next++ % 3 * sizeof entry, entry, sizeof entry, PROT_READ);
    pthread_mutex_unlock(&lock);
}

static int is_win32_number(int status)
{
    return ((uint32_t)status & 0xffff0000) == 0xc0070000;
}

/* The result of a receive that fails with that NTSTATUS. */
static ssize_t fail_receive(int status)
{
    if (is_win32_number(status)) name_winsock_number(status);
    errno = status;
    return -1;
}

/* ---- Sockets ----------------------------------------------------------------------------- */

static int socket_option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    return REAL(getsockopt)(fd, SOL_SOCKET, name, &value, &size) ? -1 : value;
}

static int is_inet_datagram(int fd)
{
    int domain;

    if (socket_option(fd, SO_TYPE) != SOCK_DGRAM) return 0;
    domain = socket_option(fd, SO_DOMAIN);
    return domain == AF_INET || domain == AF_INET6;
}

/* Linux charges queued errors to the socket's receive buffer: with the default of 208 KiB some
   270 of them fill it, and further errors and good datagrams are dropped. Windows loses no
   datagram to them. So every buffer is larger by this many bytes (Linux doubles the number)
   than the program knows. That takes root's rights, which the lab has for its namespaces. */
#define ERROR_RESERVE (32 << 20)

static int set_receive_buffer(int fd, int size)
{
    int with_reserve = size < ERROR_RESERVE ? size + ERROR_RESERVE : size;

    if (!REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVBUFFORCE, &with_reserve, sizeof with_reserve)) return 0;
    return REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

/* Before wineserver binds to an IPv4 address it looks for the interface that has it. Where there
   is one, it binds the socket to that device and then, as where there is none, to all addresses. */
static __thread int looking_for_interface;

int getifaddrs(struct ifaddrs **list)
{
    looking_for_interface = 1;
    return REAL(getifaddrs)(list);
}

static int is_any(const struct sockaddr *address)
{
    return address->sa_family == AF_INET && ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == INADDR_ANY;
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int found_none = looking_for_interface && is_any(address) && is_inet_datagram(fd);

    if (address->sa_family != AF_NETLINK) looking_for_interface = 0;   /* getifaddrs() itself binds one */
    if (!found_none) return REAL(bind)(fd, address, size);
    errno = EADDRNOTAVAIL;
    return -1;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (level == SOL_SOCKET && name == SO_BINDTODEVICE) looking_for_interface = 0;
    if (level == SOL_SOCKET && name == SO_RCVBUF && size >= sizeof(int) && is_inet_datagram(fd))
        return set_receive_buffer(fd, *(const int *)value);
    return REAL(setsockopt)(fd, level, name, value, size);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int result = REAL(getsockopt)(fd, level, name, value, size);

    if (!result && level == SOL_SOCKET && name == SO_RCVBUF && *(int *)value > 2 * ERROR_RESERVE && is_inet_datagram(fd))
        *(int *)value -= 2 * ERROR_RESERVE;
    return result;
}

int socket(int domain, int type, int protocol)
{
    int fd = REAL(socket)(domain, type, protocol), on = 1;

    if (fd < 0 || !is_inet_datagram(fd)) return fd;
    set_receive_buffer(fd, socket_option(fd, SO_RCVBUF) / 2);
    REAL(setsockopt)(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);   /* on IPv6 for ::ffff:1.2.3.4 */
    if (domain == AF_INET6) REAL(setsockopt)(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    return fd;
}

/* ---- Errors ------------------------------------------------------------------------------ */

/* Windows's NTSTATUS for what an ICMP message made of errno; 0 when Windows reports nothing
   (EMSGSIZE: fragmentation needed or packet too big, of which it learns the path's MTU). */
static int status_of_errno(int error)
{
    switch (error)
    {
        case ECONNREFUSED:  return STATUS_PORT_UNREACHABLE;
        case ENOPROTOOPT:   return STATUS_PROTOCOL_UNREACHABLE;
        case ENETUNREACH:   return STATUS_NETWORK_UNREACHABLE;
        case EHOSTUNREACH:
        case EHOSTDOWN:
        case EACCES:        return STATUS_HOST_UNREACHABLE;
        default:            return 0;
    }
}

static int status_of_error(const struct sock_extended_err *error)
{
    switch (error->ee_origin)
    {
        case SO_EE_ORIGIN_ICMP:
            if (error->ee_type == ICMP_TIME_EXCEEDED) return STATUS_WIN32_NETRESET;
            return status_of_errno((int)error->ee_errno);
        case SO_EE_ORIGIN_ICMP6:
            if (error->ee_type == ICMPV6_TIME_EXCEED) return STATUS_WIN32_NETRESET;
            return status_of_errno((int)error->ee_errno);
        default:            /* local: the send has failed with it already */
            return 0;
    }
}

/* Takes errors off the socket's queue up to the first that Windows reports; its NTSTATUS, or 0
   when there is none. */
static int take_error(int fd)
{
    char control[512];
    struct msghdr msg;
    struct cmsghdr *c;
    int status;

    for (;;)
    {
        memset(&msg, 0, sizeof msg);
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
        if (REAL(recvmsg)(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return 0;
        for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        {
            if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
                !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) continue;
            if ((status = status_of_error((struct sock_extended_err *)CMSG_DATA(c)))) return status;
        }
    }
}

/* ---- Injection --------------------------------------------------------------------------- */

#define COMMAND "winlab:ntstatus:"
#define COMMAND_SIZE (sizeof COMMAND - 1 + 8)

/* The NTSTATUS that a datagram of that many bytes asks for; 0 when it is an ordinary one. Only
   errors, and STATUS_BUFFER_OVERFLOW, the warning that stands for a truncated datagram;
   STATUS_DEVICE_NOT_READY is how ntdll.so says that there is nothing to read yet. */
static int injected_status(const struct iovec *iov, size_t count, ssize_t size)
{
    char text[COMMAND_SIZE + 1] = "";
    size_t i, used = 0;
    int status;

    if (size != COMMAND_SIZE) return 0;
    for (i = 0; i < count && used < COMMAND_SIZE; i++)
    {
        size_t part = iov[i].iov_len < COMMAND_SIZE - used ? iov[i].iov_len : COMMAND_SIZE - used;

        memcpy(text + used, iov[i].iov_base, part);
        used += part;
    }
    if (used != COMMAND_SIZE || memcmp(text, COMMAND, sizeof COMMAND - 1)) return 0;
    if (strspn(text + sizeof COMMAND - 1, "0123456789ABCDEFabcdef") != 8) return 0;
    status = (int)strtoul(text + sizeof COMMAND - 1, NULL, 16);
    if (status == STATUS_BUFFER_OVERFLOW) return status;
    return ((uint32_t)status >> 30) == 3 && status != STATUS_DEVICE_NOT_READY ? status : 0;
}

/* recvmsg into buffers with less room than a command has, and some more room here, so that the
   whole command is seen. */
static ssize_t receive_beyond(int fd, struct msghdr *msg, int flags, size_t room, int *status)
{
    size_t count = msg->msg_iovlen;
    struct iovec *iov = msg->msg_iov, longer[count + 1];
    char beyond[COMMAND_SIZE + 1];
    ssize_t size;

    if (count) memcpy(longer, iov, count * sizeof *iov);
    longer[count].iov_base = beyond;
    longer[count].iov_len = sizeof beyond;
    msg->msg_iov = longer;
    msg->msg_iovlen = count + 1;
    size = REAL(recvmsg)(fd, msg, flags);
    msg->msg_iov = iov;
    msg->msg_iovlen = count;
    *status = injected_status(longer, count + 1, size);
    if (size <= (ssize_t)room) return size;
    msg->msg_flags |= MSG_TRUNC;
    return (ssize_t)room;
}

/* recvmsg that also tells what NTSTATUS the datagram asks for. */
static ssize_t receive(int fd, struct msghdr *msg, int flags, int *status)
{
    size_t room = 0, i;
    ssize_t size;

    for (i = 0; i < msg->msg_iovlen; i++) room += msg->msg_iov[i].iov_len;
    if (room < COMMAND_SIZE) return receive_beyond(fd, msg, flags, room, status);
    size = REAL(recvmsg)(fd, msg, flags);
    *status = injected_status(msg->msg_iov, msg->msg_iovlen, size);
    return size;
}

/* ---- Receiving and sending --------------------------------------------------------------- */

/* Wine receives in the Windows program's own process, and nowhere else. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int status, error;
    ssize_t size;

    /* At a program's first recvmsg, wineserver's greeting, it has one thread. */
    pthread_once(&once, return_ntstatus_for_negative_errno);
    if (!is_inet_datagram(fd) || (flags & MSG_ERRQUEUE)) return REAL(recvmsg)(fd, msg, flags);

    if ((status = take_error(fd))) return fail_receive(status);
    size = receive(fd, msg, flags, &status);
    if (size < 0 && (error = status_of_errno(errno)))
        /* An error that has arrived since. Its entry in the queue, if there was room for one,
           is the same error. */
        return fail_receive((status = take_error(fd)) ? status : error);
    if (size < 0 || !status) return size;

    if (flags & MSG_PEEK) REAL(recv)(fd, NULL, 0, MSG_DONTWAIT);    /* one receive for each error */
    if (status != STATUS_BUFFER_OVERFLOW) return fail_receive(status);
    msg->msg_flags |= MSG_TRUNC;
    return size;
}

/* Linux fails the next call, a send too, after an ICMP error arrived; the error stays queued
   for a receive. Several may arrive in between, hence more than one attempt; an error of this
   very send, such as no route, comes back each time. */
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    ssize_t size = REAL(sendmsg)(fd, msg, flags);
    int attempts;

    for (attempts = 0; attempts < 5 && size < 0 && status_of_errno(errno) && is_inet_datagram(fd); attempts++)
        size = REAL(sendmsg)(fd, msg, flags);
    return size;
}

/* ---- Readiness, in wineserver ------------------------------------------------------------ */

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    int ready = REAL(poll)(fds, count, timeout);
    nfds_t i;

    for (i = 0; ready > 0 && i < count; i++)
    {
        if (!(fds[i].revents & POLLERR) || !is_inet_datagram(fds[i].fd)) continue;
        fds[i].revents = (short)((fds[i].revents & ~POLLERR) | (fds[i].events & POLLIN));
        if (!fds[i].revents) ready--;
    }
    return ready;
}

#define MAX_WATCHED 65536
static struct { int datagram; uint32_t events; } watched[MAX_WATCHED];  /* by wineserver's own index */

/* epoll reports a queued error again and again even where nobody waits to read. Edge-triggered,
   it does so once for each, and wineserver sleeps until a receive is posted, when it polls. */
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    struct epoll_event changed;

    if (!event || op == EPOLL_CTL_DEL || event->data.u32 >= MAX_WATCHED) return REAL(epoll_ctl)(epfd, op, fd, event);
    changed = *event;
    if (op == EPOLL_CTL_ADD) watched[event->data.u32].datagram = is_inet_datagram(fd);
    watched[event->data.u32].events = event->events;
    if (watched[event->data.u32].datagram && !(event->events & EPOLLIN)) changed.events |= EPOLLET;
    return REAL(epoll_ctl)(epfd, op, fd, &changed);
}

int epoll_wait(int epfd, struct epoll_event *events, int count, int timeout)
{
    int i, kept = 0, ready = REAL(epoll_wait)(epfd, events, count, timeout);

    for (i = 0; i < ready; i++)
    {
        struct epoll_event event = events[i];

        if ((event.events & EPOLLERR) && event.data.u32 < MAX_WATCHED && watched[event.data.u32].datagram)
            event.events = (event.events & ~(uint32_t)EPOLLERR) | (watched[event.data.u32].events & EPOLLIN);
        if (event.events) events[kept++] = event;
    }
    return ready < 0 ? ready : kept;
}
