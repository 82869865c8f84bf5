"""A message of high priority overtakes the others."""


def main():
    orders = [(1, "books"), (9, "medicine")]
    # [priority]
    orders.sort(reverse=True)
    # [/priority]
    print(orders[0][1])


if __name__ == "__main__":
    main()
