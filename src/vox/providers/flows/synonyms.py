"""English words that mean the same to the callers of a business: a line is one meaning.

Compared are the stems of words (`lexical.stem`). Each word stands in one line only; a test holds that.
"""

from typing import Final

SYNONYMS: Final = tuple(
    tuple(line.split())
    for line in """
    close shut
    late latest
    weekend saturday sunday
    christmas holiday easter
    address location street postcode directions whereabouts located
    station train bus tube metro tram
    near nearest close-by nearby
    restaurant bistro place cafe
    food dish meal plate
    dessert pudding sweet afters
    dinner supper
    speciality specialty special signature
    recommend recommendation suggest suggestion advise
    favourite favorite popular best tastiest
    price cost charge expensive cheap pricey afford budget fee rate
    offer discount deal
    wine beer cocktail drink beverage alcohol ale lager
    coffee tea espresso cappuccino latte
    vegetarian vegan veggie meatless plant-based meat-free
    allergy allergic intolerant intolerance coeliac celiac gluten lactose peanut nut shellfish wheat dairy
    takeaway takeout take-away
    collect fetch
    deliver delivery courier deliveroo
    kid child children baby toddler twin infant
    pram pushchair buggy stroller
    dog puppy pet animal labrador terrier cat hound
    park parking car-park garage
    bike bicycle
    pay payment card cash visa mastercard amex contactless cheque plastic
    bill invoice receipt
    separate split
    wheelchair disabled barrier ramp lift elevator crutches walker step stair
    toilet bathroom restroom loo
    outside outdoor terrace garden patio outdoors
    smoke cigarette
    group party
    event wedding celebration
    wifi internet wireless wi-fi wlan
    wear dress suit tie jeans shorts jacket
    music band jazz concert pianist
    noisy loud quiet
    voucher certificate
    job hire hiring vacancy staff waiter
    lost umbrella wallet scarf forgot
    book reserve reservation booking
    table seat
    cancel call-off
    reschedule postpone
    complain complaint unhappy rude awful terrible unacceptable
    robot machine computer ai bot
    human person agent operator
    big large
    begin start
    """.strip().splitlines()
)
