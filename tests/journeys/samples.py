"""Small invented documents."""

LEAVE = "# Annual leave\n\nEverybody has twenty-six days of annual leave and may carry five days over until June.\n"
PARKING = "# Parking\n\nVisitors park their cars behind the warehouse and fetch a permit at the gate.\n"
CANTEEN = "# Canteen\n\nThe canteen serves soup at noon, and porridge from seven until nine in the morning.\n"
BOARD = "# Minutes\n\nThe board agreed to buy the foundry at Bramley for four million pounds.\n"

DOCUMENTS = {"leave.md": LEAVE, "parking.md": PARKING, "canteen.md": CANTEEN, "board/minutes.md": BOARD}
