/* A candidate in C, without libraries: levels `solve` (Cholesky) and `lanczos` (full reorthogonalization).
 *
 *     cc -O2 -o candidate candidate.c -lm
 *     lancbio-ref check --command ./candidate
 *
 * It reads one case a line and writes one answer a line, as docs/oracle.md says: a line of its own first, which names the
 * protocol and the levels, then {"v": [...]} or {"alpha": [...], "beta": [...], "Q": [[...], ...]} or {"reject": "..."}.
 */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON, as much of it as a case needs -------------------------------------------------- */

static const char *blank(const char *p) {
    while (isspace((unsigned char)*p)) p++;
    return p;
}

/* The end of the string that begins at p. */
static const char *after_string(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1]) p++;
    return *p ? p + 1 : p;
}

/* The end of the value that begins at p: brackets are counted, strings are passed over. */
static const char *after_value(const char *p) {
    int depth = 0;
    do {
        p = blank(p);
        if (*p == '"') p = after_string(p);
        else if (*p == '[' || *p == '{') depth++, p++;
        else if (*p == ']' || *p == '}') depth--, p++;
        else if (*p == ',' || *p == ':') p++;
        else while (*p && !strchr(",:]}[{\" \t\r\n", *p)) p++;
    } while (*p && depth > 0);
    return p;
}

/* Where the value of a field of the object at p begins; NULL where there is no such field. */
static const char *field(const char *p, const char *name) {
    size_t length = strlen(name);
    p = blank(p);
    if (*p != '{') return NULL;
    for (p = blank(p + 1); *p == '"'; p = blank(p + 1)) {
        const char *key = p + 1, *end = after_string(p);
        p = blank(end);
        if (*p != ':') return NULL;
        p = blank(p + 1);
        if ((size_t)(end - 1 - key) == length && strncmp(key, name, length) == 0) return p;
        p = blank(after_value(p));
        if (*p != ',') return NULL;
    }
    return NULL;
}

/* All numbers of nested lists, in C order, and how many there are. */
static double *numbers(const char *p, size_t *count) {
    const char *end = p ? after_value(p) : NULL;
    size_t room = 16;
    double *found = malloc(room * sizeof *found);
    for (*count = 0; p && p < end;) {
        if (strchr("[], \t\r\n", *p)) { p++; continue; }
        char *rest;
        double value = strtod(p, &rest); /* rounds correctly, as the protocol needs */
        if (rest == p) break;
        if (*count == room) found = realloc(found, (room *= 2) * sizeof *found);
        found[(*count)++] = value;
        p = rest;
    }
    return found;
}

static void print_list(const char *name, const double *a, size_t n) {
    printf("\"%s\": [", name);
    for (size_t i = 0; i < n; i++) printf(i ? ", %.17g" : "%.17g", a[i]); /* 17 digits read back as the same double */
    printf("]");
}

static void reject(const char *reason) { printf("{\"reject\": \"%s\"}\n", reason); }

/* ---- linear algebra ----------------------------------------------------------------------- */

/* The e with 2^(e-1) <= max|a_i| < 2^e. */
static int exponent(const double *a, size_t n) {
    double largest = 0;
    int e;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(a[i]));
    frexp(largest, &e);
    return e;
}

static void scale(double *a, size_t n, int e) {
    for (size_t i = 0; i < n; i++) a[i] = ldexp(a[i], e);
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static int symmetric(const double *A, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (A[i * n + j] != A[j * n + i]) return 0;
    return 1;
}

/* A = L L^T in the lower triangle of A; 0 where A is not positive definite to working precision (its entries are below 1). */
static int cholesky(double *A, size_t n) {
    for (size_t j = 0; j < n; j++) {
        double pivot = A[j * n + j] - dot(A + j * n, A + j * n, j);
        if (!(pivot > n * DBL_EPSILON / 2)) return 0;
        A[j * n + j] = sqrt(pivot);
        for (size_t i = j + 1; i < n; i++)
            A[i * n + j] = (A[i * n + j] - dot(A + i * n, A + j * n, j)) / A[j * n + j];
    }
    return 1;
}

static void solve(const char *line) {
    size_t size, n;
    double *A = numbers(field(line, "A"), &size), *b = numbers(field(line, "b"), &n);
    if (size != n * n || n == 0) reject("A is not square, or b does not fit it");
    else if (!symmetric(A, n)) reject("A is not symmetric");
    else {
        int s = exponent(A, n * n), t = exponent(b, n), finite = 1;
        scale(A, n * n, -s); /* powers of two keep all numbers near 1 and change no digit */
        scale(b, n, -t);
        if (!cholesky(A, n)) reject("A is not positive definite");
        else {
            for (size_t i = 0; i < n; i++) b[i] = (b[i] - dot(A + i * n, b, i)) / A[i * n + i]; /* L z = b */
            for (size_t i = n; i-- > 0;) {                                                      /* L^T v = z */
                for (size_t j = i + 1; j < n; j++) b[i] -= A[j * n + i] * b[j];
                b[i] /= A[i * n + i];
            }
            scale(b, n, t - s);
            for (size_t i = 0; i < n; i++) finite = finite && isfinite(b[i]);
            if (!finite) reject("v is not representable");
            else {
                printf("{");
                print_list("v", b, n);
                printf("}\n");
            }
        }
    }
    free(A);
    free(b);
}

static void lanczos(const char *line) {
    size_t size, n, one;
    double *A = numbers(field(line, "A"), &size), *q1 = numbers(field(line, "q1"), &n);
    double *given = numbers(field(line, "k"), &one);
    size_t k = one ? (size_t)given[0] : 0, j = 0;
    if (size != n * n || n == 0 || k == 0) reject("A is not square, q1 does not fit it, or k is not positive");
    else if (!symmetric(A, n)) reject("A is not symmetric");
    else {
        double *Q = malloc(k * n * sizeof *Q), *w = malloc(n * sizeof *w); /* row j of Q is q_{j+1} */
        double *alpha = malloc(k * sizeof *alpha), *beta = malloc(k * sizeof *beta);
        int s = exponent(A, n * n);
        scale(A, n * n, -s);
        scale(q1, n, -exponent(q1, n));
        double length = sqrt(dot(q1, q1, n)), size_A = sqrt(dot(A, A, n * n));
        for (size_t i = 0; i < n; i++) Q[i] = q1[i] / length;
        for (;;) {
            for (size_t i = 0; i < n; i++) w[i] = dot(A + i * n, Q + j * n, n); /* A q_j */
            alpha[j] = dot(Q + j * n, w, n);
            for (int pass = 0; pass < 2; pass++) /* alpha_j q_j, beta_j q_{j-1} and what rounding left of the others */
                for (size_t i = 0; i <= j; i++) {
                    double part = dot(Q + i * n, w, n);
                    for (size_t l = 0; l < n; l++) w[l] -= part * Q[i * n + l];
                }
            beta[j] = sqrt(dot(w, w, n));
            if (++j == k || beta[j - 1] <= 10 * n * DBL_EPSILON * size_A) break; /* done, or the space is invariant */
            for (size_t i = 0; i < n; i++) Q[j * n + i] = w[i] / beta[j - 1];
        }
        scale(alpha, j, s);
        scale(beta, j, s);
        printf("{\"reorthogonalization\": \"full\", ");
        print_list("alpha", alpha, j);
        printf(", ");
        print_list("beta", beta, j);
        printf(", \"Q\": [");
        for (size_t i = 0; i < n; i++) { /* n rows of j numbers */
            printf(i ? ", [" : "[");
            for (size_t l = 0; l < j; l++) printf(l ? ", %.17g" : "%.17g", Q[l * n + i]);
            printf("]");
        }
        printf("]}\n");
        free(Q), free(w), free(alpha), free(beta);
    }
    free(A), free(q1), free(given);
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    printf("{\"protocol\": \"lancbio-oracle\", \"version\": \"1\", \"name\": \"C\", \"levels\": [\"solve\", \"lanczos\"]}\n");
    fflush(stdout);
    while (getline(&line, &room, stdin) > 0) {
        const char *level = field(line, "level");
        if (level && strncmp(level, "\"solve\"", 7) == 0) solve(line);
        else if (level && strncmp(level, "\"lanczos\"", 9) == 0) lanczos(line);
        else reject("no such level");
        fflush(stdout); /* or the answer stays in a buffer, and the time limit passes */
    }
    free(line);
    return 0;
}
